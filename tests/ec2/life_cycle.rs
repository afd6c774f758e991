use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    process::Command,
    time::{Duration, Instant},
};

use orchestrator::effects::ec2::{Ec2, Filter, InstanceState, NewGroup, Order, Source, Tags};

use crate::{
    account::{Account, block_on},
    cluster::{Cluster, INSIDE, Wanted},
    docker::docker,
    hypervisor::Hypervisor,
    instance::Nature,
    proxy::{Call, Delays},
};

const NODES: [&str; 3] = ["shop-agent-1", "shop-agent-2", "shop-server-1"];
const DELAYS: Delays = Delays { change: Duration::from_secs(1), unseen: Duration::from_millis(700) };
const FIRST_CALLER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const SECOND_CALLER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

#[test]
fn from_an_account_to_a_cluster_and_back() {
    let account = Account::new();
    let lab = Cluster::new(&account, &Wanted { name: "lab", agents: 1, settings: INSIDE, delays: Delays::default() });
    lab.create_instances();
    add_foreign(&account);
    let before = account.resources();

    let shop = Cluster::new(&account, &Wanted { name: "shop", agents: 2, settings: "", delays: DELAYS });
    shop.proxy.throttles(9);
    let hypervisor = Hypervisor::start(&account, shop.proxy.clone(), Nature::Honest);
    is_made(&shop);
    let secrets = secrets(&shop);
    shows_keys_that_user_data_do_not_tell(&shop);

    is_stopped(&shop);
    let stopped = addresses(&account);
    shop.proxy.caller_is(SECOND_CALLER);
    is_started(&shop);
    let started = addresses(&account);
    assert_eq!(stopped.len(), 0, "no power, no address: {stopped:?}");
    assert_eq!(started.len(), 3);

    shop.lose_state();
    let instances = ids(&account);
    assert_eq!(shop.run(&["create"]).ok().last_line(), "cluster created");
    assert_eq!(ids(&account), instances, "they are adopted");
    shop.has_nodes(&NODES);

    shop.lose_state();
    let calls = shop.proxy.count();
    assert_eq!(shop.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
    println!("destroy: {} calls", shop.proxy.count() - calls);
    assert_eq!(shop.left(), [""; 0]);
    assert_eq!(account.resources(), before);
    drop(hypervisor);
    let machines = docker(&["ps", "--all", "--quiet", "--filter", &format!("network={}", account.network.name)]);
    assert_eq!(machines, "");

    tells_no_secret(&shop.proxy.calls(), &secrets);
    lets_in_callers_alone(&shop.proxy.calls());
}

/// From nothing to a cluster, which then is as configured.
fn is_made(shop: &Cluster<'_>) {
    let began = Instant::now();
    let created = shop.run(&["create"]).ok();
    println!("create: {} calls, {:.1?}", shop.proxy.count(), began.elapsed());
    assert_eq!(created.last_line(), "cluster created");
    shop.has_nodes(&NODES);
    let status = shop.run(&["status", "-o", "json"]).ok().json();
    assert_eq!(status["state"], "running", "{status}");
    assert_eq!(status["machines"].as_array().unwrap().len(), 3, "{status}");
    let instances = ids(shop.account);
    shop.run(&["create"]).ok().says("nothing had to change");
    assert_eq!(ids(shop.account), instances);
    assert_eq!(rules(shop), BTreeSet::from([(22, FIRST_CALLER), (6443, FIRST_CALLER)]));
}

fn is_stopped(shop: &Cluster<'_>) {
    assert_eq!(shop.run(&["stop"]).ok().last_line(), "cluster stopped");
    let of_shop = shop.account.alive().into_iter().filter(|instance| is_of_shop(&instance.tags));
    assert!(of_shop.into_iter().all(|instance| instance.state == InstanceState::Stopped));
    shop.run(&["status"]).exits(1).says("shop: stopped");
}

/// The kubeconfig leads to the new addresses, and the group lets in who asks from a new one alone.
fn is_started(shop: &Cluster<'_>) {
    assert_eq!(shop.run(&["start"]).ok().last_line(), "cluster started");
    shop.has_nodes(&NODES);
    shop.run(&["status"]).ok();
    shop.run(&["create"]).ok().says("nothing had to change");
    shop.has_nodes(&NODES);
    assert_eq!(rules(shop), BTreeSet::from([(22, SECOND_CALLER), (6443, SECOND_CALLER)]));
}

/// An instance and a group of somebody who knows nothing of clusters.
fn add_foreign(account: &Account) {
    let client = account.moto.client();
    block_on(async {
        let subnet = client.subnets(&[Filter::new("subnet-id", [&account.subnet])]).await.unwrap().swap_remove(0);
        let group = NewGroup { name: "theirs".into(), description: "d".into(), vpc: subnet.vpc, tags: Tags::new() };
        let order = Order {
            token: "theirs".into(),
            count: 1,
            image: account.image.clone(),
            kind: "t3.micro".into(),
            subnet: subnet.id,
            group: client.create_group(&group).await.unwrap(),
            public_address: false,
            root_device: "/dev/xvda".into(),
            disk_gib: 20,
            user_data: String::new(),
            tags: Tags::from([("Name".into(), "theirs".into())]),
            spot: false,
            ends_at_shutdown: false,
            bursts: true,
        };
        client.run(&order).await.unwrap();
    });
}

fn is_of_shop(tags: &Tags) -> bool {
    tags.get("orchestrator/cluster").is_some_and(|name| name == "shop")
}

fn ids(account: &Account) -> BTreeSet<String> {
    account.alive().into_iter().map(|instance| instance.id).collect()
}

/// The cluster's addresses on the internet.
fn addresses(account: &Account) -> BTreeSet<String> {
    let of_shop = account.alive().into_iter().filter(|instance| is_of_shop(&instance.tags));
    of_shop.filter_map(|instance| instance.public_address).collect()
}

/// Who may come in from outside, and at which ports.
fn rules(shop: &Cluster<'_>) -> BTreeSet<(u16, Ipv4Addr)> {
    let ours = [Filter::tag("orchestrator/cluster", "shop")];
    let group = block_on(shop.account.moto.client().groups(&ours)).unwrap().swap_remove(0);
    let outside = group.rules.iter().filter_map(|rule| match &rule.from {
        Source::Addresses(cidr) => Some((rule.port.unwrap(), cidr.strip_suffix("/32").unwrap().parse().unwrap())),
        Source::Group(id) => {
            assert_eq!(*id, group.id);
            None
        }
    });
    outside.collect()
}

/// What nobody may hear: the credentials, the key that opens the machines, the token of K3s, the key to its API.
fn secrets(shop: &Cluster<'_>) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(shop.state().join(name)).unwrap();
    let state: serde_json::Value = serde_json::from_str(&read("state.json")).unwrap();
    let kubeconfig: serde_json::Value = serde_saphyr::from_str(&read("kubeconfig")).unwrap();
    let key = read("id_ed25519");
    let key: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let api = text(&kubeconfig["users"][0]["user"]["client-key-data"]);
    vec![shop.account.moto.secret.clone(), text(&state["token"]), key, api]
}

/// The host key of the first boot is known to whoever reads the user data: no machine shows it any more.
fn shows_keys_that_user_data_do_not_tell(shop: &Cluster<'_>) {
    let told: String = shop.proxy.calls().iter().filter_map(Call::user_data).collect();
    let addresses = addresses(shop.account);
    let scan = Command::new("ssh-keyscan").args(["-t", "ed25519"]).args(&addresses).output().unwrap();
    let shown = String::from_utf8(scan.stdout).unwrap();
    let keys: BTreeSet<_> = shown.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(keys.len(), addresses.len(), "a key for each machine: {shown}");
    assert!(keys.iter().all(|key| !told.contains(key)), "{shown}");
}

/// The host keys of first boots are all that may be known of what is secret.
fn tells_no_secret(calls: &[Call], secrets: &[String]) {
    assert!(secrets.iter().all(|secret| secret.len() >= 16));
    for call in calls {
        let user_data = call.user_data().unwrap_or_default();
        let said = call.said();
        for secret in secrets {
            let joined: String = user_data.lines().map(str::trim).collect();
            assert!(!said.contains(secret) && !joined.contains(secret), "{} tells a secret", call.action);
        }
        assert!(!said.contains("PRIVATE KEY"), "{} tells a key", call.action);
        let keys = user_data.matches("BEGIN OPENSSH PRIVATE KEY").count();
        assert_eq!(keys, usize::from(call.action == "RunInstances"), "{}", call.action);
    }
}

/// Reads every rule that was ever asked for.
fn lets_in_callers_alone(calls: &[Call]) {
    let authorized = calls.iter().filter(|call| call.action.starts_with("AuthorizeSecurityGroup"));
    let mut ranges = BTreeSet::new();
    for call in authorized {
        for (name, value) in &call.parameters {
            if name.contains("Ranges") || name.contains("Cidr") {
                ranges.insert(value.clone());
            }
        }
    }
    assert_eq!(ranges, [FIRST_CALLER, SECOND_CALLER].map(|caller| format!("{caller}/32")).into());
}

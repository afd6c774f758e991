use orchestrator::effects::ec2::{Ec2, Filter, InstanceState, NewGroup, Order, Rule, Source, Tags, Which, ids_in};

use crate::moto::{IMAGE, Moto, REGION};

fn tags() -> Tags {
    Tags::from([("orchestrator/cluster-id".into(), "c-1".into()), ("orchestrator/nodes".into(), "1-2".into())])
}

fn ours() -> Vec<Filter> {
    vec![Filter::tag("orchestrator/cluster-id", "c-1")]
}

/// Returns an order of two instances in a group of its own.
async fn order(ec2: &dyn Ec2) -> Order {
    let image = ec2.image(&ec2.parameter(IMAGE).await.unwrap()).await.unwrap().unwrap();
    let subnet = ec2.subnets(&[Filter::new("default-for-az", ["true"])]).await.unwrap().swap_remove(0);
    let group = NewGroup { name: "g".into(), description: "d".into(), vpc: subnet.vpc, tags: tags() };
    Order {
        token: "t-1".into(),
        count: 2,
        image: image.id,
        kind: "t3.medium".into(),
        subnet: subnet.id,
        group: ec2.create_group(&group).await.unwrap(),
        public_address: true,
        root_device: image.root_device,
        disk_gib: 20,
        user_data: "#cloud-config\n".into(),
        tags: tags(),
        spot: false,
        ends_at_shutdown: true,
        bursts: true,
    }
}

#[tokio::test]
async fn what_there_is_to_choose_from() {
    let moto = Moto::start();
    let ec2 = moto.client();
    assert_eq!(ec2.region().await.unwrap(), REGION);
    assert!(ec2.caller().await.unwrap().arn.ends_with(":user/u"));
    assert!(ec2.regions().await.unwrap().iter().any(|region| region == REGION));
    let intel = ec2.instance_type("t3.medium").await.unwrap().unwrap();
    assert!(intel.architectures.contains(&"x86_64".into()) && intel.bursts);
    assert_eq!((intel.cpus, intel.memory_mib), (2, 4096));
    let arm = ec2.instance_type("c7g.large").await.unwrap().unwrap();
    assert!(arm.architectures == ["arm64"] && !arm.bursts);
    assert_eq!(ec2.instance_type("t3.gigantic").await.unwrap(), None);
    let image = ec2.image(&ec2.parameter(IMAGE).await.unwrap()).await.unwrap().unwrap();
    assert_eq!(image.architecture, "x86_64");
    assert!(image.root_device.starts_with("/dev/"));
    assert_eq!(ec2.image("ami-0123").await.unwrap(), None);
    let subnets = ec2.subnets(&[Filter::new("default-for-az", ["true"])]).await.unwrap();
    assert!(subnets.len() > 1 && subnets.is_sorted_by_key(|subnet| subnet.zone.clone()));
}

#[tokio::test]
async fn instances_from_their_order_to_their_end() {
    let moto = Moto::start();
    let ec2 = moto.client();
    let order = order(&ec2).await;
    ec2.try_run(&order).await.unwrap();
    assert_eq!(ec2.instances(&Which::Like(ours())).await.unwrap(), []);
    let made = ec2.run(&order).await.unwrap();
    let ids: Vec<_> = made.iter().map(|instance| instance.id.clone()).collect();
    assert_eq!(made.iter().map(|instance| instance.launch_index).collect::<Vec<_>>(), [0, 1]);
    let mut seen = ec2.instances(&Which::Like(ours())).await.unwrap();
    seen.sort_by_key(|instance| instance.launch_index);
    assert_eq!(seen.iter().map(|instance| &instance.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    for (index, instance) in seen.iter().enumerate() {
        assert_eq!((instance.launch_index, instance.state), (index, InstanceState::Running));
        assert_eq!((instance.token.as_str(), instance.kind.as_str()), ("t-1", "t3.medium"));
        assert!(instance.public_address.is_some() && instance.private_address.is_some());
        assert_eq!(instance.tags, tags());
    }
    let disks = ec2.volumes(&ours()).await.unwrap();
    assert!(disks.len() == 2 && disks.iter().all(|disk| !disk.free), "{disks:?}");

    ec2.stop(&ids).await.unwrap();
    let stopped = ec2.instances(&Which::Ids(ids.clone())).await.unwrap();
    assert!(
        stopped.iter().all(|instance| instance.state == InstanceState::Stopped && instance.public_address.is_none())
    );
    ec2.start(&ids).await.unwrap();
    let started = ec2.instances(&Which::Ids(ids.clone())).await.unwrap();
    assert!(started.iter().all(|instance| instance.state == InstanceState::Running));

    let unknown = "i-0123456789abcdef0".to_owned();
    let error = ec2.terminate(&[ids.clone(), vec![unknown.clone()]].concat()).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(ids_in(&error.to_string()), [unknown]);
    ec2.terminate(&ids).await.unwrap();
    let ended = ec2.instances(&Which::Ids(ids)).await.unwrap();
    assert!(ended.iter().all(|instance| instance.state.is_gone()));
    assert_eq!(ec2.volumes(&ours()).await.unwrap(), []);
    assert_eq!(ec2.interfaces(&ours()).await.unwrap(), []);
}

#[tokio::test]
async fn groups_let_in_what_they_are_told_to_and_say_so() {
    let moto = Moto::start();
    let ec2 = moto.client();
    let subnet = ec2.subnets(&[Filter::new("default-for-az", ["true"])]).await.unwrap().swap_remove(0);
    let group = NewGroup { name: "g".into(), description: "d".into(), vpc: subnet.vpc, tags: tags() };
    let id = ec2.create_group(&group).await.unwrap();
    assert!(ec2.create_group(&group).await.unwrap_err().is("InvalidGroup.Duplicate"));
    let mut rules = [
        Rule { port: None, from: Source::Group(id.clone()) },
        Rule { port: Some(22), from: Source::Addresses("203.0.113.7/32".into()) },
        Rule { port: Some(6443), from: Source::Addresses("203.0.113.7/32".into()) },
        Rule { port: Some(22), from: Source::Addresses("2001:db8::/32".into()) },
    ];
    rules.sort();
    ec2.authorize(&id, &rules[..2]).await.unwrap();
    ec2.authorize(&id, &rules).await.unwrap();
    let seen = ec2.groups(&ours()).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].name.as_str(), &seen[0].tags), ("g", &tags()));
    assert_eq!(seen[0].rules, rules);
    for _ in 0..2 {
        ec2.revoke(&id, &rules[1..]).await.unwrap();
    }
    assert_eq!(ec2.groups(&ours()).await.unwrap()[0].rules, rules[..1]);
    for _ in 0..2 {
        ec2.delete_group(&id).await.unwrap();
    }
    assert_eq!(ec2.groups(&ours()).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_not_allowed_is_named() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ssm:*"],"Resource":"*"}]}"#;
    let moto = Moto::with_policy(policy);
    let ec2 = moto.client();
    let failure = ec2.stop(&["i-0123456789abcdef0".into()]).await.unwrap_err().failure("machines cannot be stopped");
    assert_eq!(failure.id, "EC2-004");
    assert!(failure.hint.as_ref().unwrap().contains("`ec2:StopInstances`"), "{failure:?}");
    assert!(failure.because[0].contains("(request "), "{failure:?}");

    let wrong = moto.client_with("not the secret");
    let failure = wrong.instances(&Which::Like(ours())).await.unwrap_err().failure("x");
    assert_eq!(failure.id, "EC2-001");
}

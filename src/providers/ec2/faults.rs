//! What becomes of a cluster when calls are lost, machines are slow to be seen, and runs are ended in between.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use super::{Ec2Provider, Pace};
use crate::{
    config::Ec2Section,
    effects::{
        ec2::{InstanceState, fake::Account},
        ssh::KeyPair,
        state_directory::{State, StateDirectory},
    },
    failure::Failure,
    model::{MachineSpec, Role},
    providers::Provider,
};

/// A place to make a cluster from, and an account.
struct World {
    account: Account,
    base: tempfile::TempDir,
    section: Ec2Section,
    given_key: Option<PathBuf>,
}

impl World {
    fn new() -> Self {
        let section = Ec2Section { allow: vec!["203.0.113.7/32".into()], ..Ec2Section::default() };
        let world = Self { account: Account::default(), base: tempfile::tempdir().unwrap(), section, given_key: None };
        world.begin();
        world
    }

    fn directory(&self) -> StateDirectory {
        StateDirectory::new(self.base.path(), "shop")
    }

    /// Makes the state directory, as a command does that takes the lock.
    fn begin(&self) {
        self.directory().prepare().unwrap();
        if self.directory().load().unwrap().is_none() {
            let id = uuid::Uuid::new_v4().to_string();
            let state = State { id, provider: "ec2".into(), token: "t".into(), merged_into: None, new: true };
            self.directory().save(&state).unwrap();
        }
    }

    /// Returns the provider as a new process has it.
    fn provider(&self) -> Ec2Provider {
        Ec2Provider { given_key: self.given_key.clone(), ..self.bare_provider() }
    }

    fn bare_provider(&self) -> Ec2Provider {
        let [poll, knock, unseen] = [1, 1, 300].map(Duration::from_millis);
        let data = Some(self.base.path().join("data"));
        let ec2 = Box::new(self.account.clone());
        Ec2Provider::with("shop", self.directory(), self.section.clone(), data, ec2, Pace { poll, knock, unseen })
    }

    /// Has the machines, as far as Amazon has a part in it.
    async fn create(&self, specs: &[MachineSpec]) -> Result<(), Failure> {
        let provider = self.provider();
        provider.check().await?;
        provider.prepare().await?;
        provider.list().await?;
        let make = async |spec: &MachineSpec| {
            provider.asked.borrow_mut().insert(spec.name.clone(), spec.clone());
            provider.creates.boot(&spec.name, &|_| {}, async |batch| provider.make_all(batch).await).await
        };
        futures::future::try_join_all(specs.iter().map(make)).await.map(drop)
    }

    async fn destroy(&self) -> Result<Vec<String>, Failure> {
        let provider = self.provider();
        let machines = provider.list().await?;
        futures::future::try_join_all(machines.iter().map(|machine| provider.destroy(machine))).await?;
        provider.clean_up().await?;
        provider.leftovers().await
    }

    async fn names(&self) -> Vec<String> {
        self.provider().list().await.unwrap().into_iter().map(|machine| machine.name).collect()
    }
}

fn specs(agents: u32) -> Vec<MachineSpec> {
    let spec = |role: Role, number: u32| MachineSpec {
        name: format!("shop-{}-{number}", role.name()),
        role,
        cpus: 2,
        memory: 2 << 30,
        disk: 20 << 30,
    };
    std::iter::once(spec(Role::Server, 1)).chain((1..=agents).map(|number| spec(Role::Agent, number))).collect()
}

#[tokio::test(start_paused = true)]
async fn wherever_a_run_is_cut_the_next_one_goes_on_and_makes_nothing_twice() {
    let calls = {
        let world = World::new();
        world.create(&specs(2)).await.unwrap();
        world.account.calls.borrow().len()
    };
    assert!(calls > 10, "{calls}");
    for (cut, unseen) in (0..calls).flat_map(|cut| [(cut, 0), (cut, 3)]) {
        let world = World::new();
        world.account.unseen.set(unseen);
        world.account.breaks_at.set(Some(cut));
        assert!(world.create(&specs(2)).await.is_err(), "call {cut} is not needed");
        world.account.breaks_at.set(None);
        world.create(&specs(2)).await.unwrap();
        assert_eq!(world.account.alive().len(), 3, "cut at call {cut}");
        assert_eq!(world.account.groups.borrow().len(), 1, "cut at call {cut}");
        assert_eq!(world.names().await, ["shop-server-1", "shop-agent-1", "shop-agent-2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_a_create_is_cut_destroy_leaves_nothing() {
    for (cut, unseen) in (0..20).flat_map(|cut| [(cut, 0), (cut, 3)]) {
        let world = World::new();
        world.account.unseen.set(unseen);
        world.account.breaks_at.set(Some(cut));
        let _ = world.create(&specs(2)).await;
        world.account.breaks_at.set(None);
        assert_eq!(world.destroy().await.unwrap(), [""; 0], "cut at call {cut}");
        assert!(world.account.alive().is_empty() && world.account.groups.borrow().is_empty(), "cut at call {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_a_destroy_is_cut_the_next_one_leaves_nothing() {
    for cut in 0..12 {
        let world = World::new();
        world.create(&specs(2)).await.unwrap();
        world.account.held.set(3);
        world.account.breaks_at.set(Some(world.account.calls.borrow().len() + cut));
        let _ = world.destroy().await;
        world.account.breaks_at.set(None);
        assert_eq!(world.destroy().await.unwrap(), [""; 0], "cut at call {cut}");
        assert!(world.account.alive().is_empty() && world.account.groups.borrow().is_empty(), "cut at call {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn instances_that_are_not_to_be_seen_yet_are_waited_for() {
    let world = World::new();
    world.account.unseen.set(5);
    world.create(&specs(2)).await.unwrap();
    world.create(&specs(2)).await.unwrap();
    assert_eq!(world.account.alive().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_one_instance_is_seen_is_asked_for_all() {
    for unseen in 1..6 {
        let world = World::new();
        world.create(&specs(0)).await.unwrap();
        world.account.unseen.set(unseen);
        world.account.calls.borrow_mut().clear();
        world.create(&specs(3)).await.unwrap();
        let run = world.account.calls.borrow().iter().position(|call| *call == "RunInstances").unwrap();

        let world = World::new();
        world.create(&specs(0)).await.unwrap();
        world.account.unseen.set(unseen);
        world.account.calls.borrow_mut().clear();
        world.account.breaks_at.set(Some(run));
        assert!(world.create(&specs(3)).await.is_err());
        world.account.breaks_at.set(None);
        world.create(&specs(3)).await.unwrap();
        assert_eq!(world.account.alive().len(), 4, "seen after {unseen} looks");
    }
}

#[tokio::test(start_paused = true)]
async fn machines_that_are_added_get_the_numbers_that_are_free() {
    let world = World::new();
    world.create(&specs(3)).await.unwrap();
    let gone = world.provider().list().await.unwrap().into_iter().find(|one| one.name == "shop-agent-2").unwrap();
    world.provider().destroy(&gone).await.unwrap();
    world.create(&specs(5)).await.unwrap();
    assert_eq!(world.account.orders.borrow().last().unwrap().tags["orchestrator/nodes"], "2 4-5");
    let names: BTreeSet<_> = world.names().await.into_iter().collect();
    assert_eq!(names, specs(5).into_iter().map(|spec| spec.name).collect());
    let tokens: BTreeSet<_> = world.account.orders.borrow().iter().map(|order| order.token.clone()).collect();
    assert_eq!(tokens.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_state_was_lost_is_adopted_with_its_key() {
    let world = World::new();
    world.create(&specs(1)).await.unwrap();
    let made = world.account.alive();
    world.directory().remove().unwrap();
    world.begin();
    world.create(&specs(1)).await.unwrap();
    assert_eq!(world.account.alive(), made);
    assert_eq!(world.provider().tagged_id().unwrap().as_ref(), made[0].tags.get("orchestrator/cluster-id"));

    world.directory().remove().unwrap();
    std::fs::remove_dir_all(world.base.path().join("data")).unwrap();
    world.begin();
    assert_eq!(world.create(&specs(1)).await.unwrap_err().id, "EC2-013");
    assert_eq!(world.destroy().await.unwrap(), [""; 0]);
    assert!(world.account.alive().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_made_is_named_and_left_alone() {
    let world = World::new();
    world.create(&specs(1)).await.unwrap();
    for instance in world.account.instances.borrow_mut().iter_mut() {
        instance.tags.insert("orchestrator/owner".into(), "user/bob".into());
    }
    for group in world.account.groups.borrow_mut().iter_mut() {
        group.tags.insert("orchestrator/owner".into(), "user/bob".into());
    }
    let theirs = world.account.alive();
    world.directory().remove().unwrap();
    world.begin();
    let provider = world.provider();
    assert_eq!(provider.list().await.unwrap(), []);
    assert!(provider.caution().unwrap().starts_with("user/bob has a cluster `shop` too"));
    assert_eq!(world.destroy().await.unwrap(), [""; 0]);
    world.create(&specs(1)).await.unwrap();
    assert_eq!(world.account.alive()[..2], theirs);
    assert_eq!(world.account.alive().len(), 4);
    assert_eq!(world.destroy().await.unwrap(), [""; 0]);
    assert_eq!(world.account.alive(), theirs);
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_keeps_nothing_brings_the_key() {
    let mut world = World::new();
    let given = world.base.path().join("given");
    fs::write(&given, KeyPair::new("ci").private.as_bytes()).unwrap();
    world.given_key = Some(given.clone());
    world.create(&specs(1)).await.unwrap();
    let made = world.account.alive();
    std::fs::remove_dir_all(world.base.path().join("data")).unwrap();
    world.directory().remove().unwrap();
    world.begin();
    world.create(&specs(1)).await.unwrap();
    assert_eq!(world.account.alive(), made);
    fs::write(&given, "no key").unwrap();
    assert_eq!(world.create(&specs(1)).await.unwrap_err().id, "EC2-013");
}

#[tokio::test(start_paused = true)]
async fn many_machines_take_no_more_calls_than_few() {
    let calls = async |agents| {
        let world = World::new();
        world.create(&specs(agents)).await.unwrap();
        let created = world.account.calls.borrow().len();
        assert_eq!(world.destroy().await.unwrap(), [""; 0]);
        (created, world.account.calls.borrow().len() - created)
    };
    assert_eq!(calls(49).await, calls(1).await);
    assert_eq!(calls(49).await, (17, 14));
}

#[tokio::test(start_paused = true)]
async fn a_zone_without_capacity_is_passed_over_and_the_next_one_kept() {
    let world = World::new();
    world.account.full.borrow_mut().push("subnet-a".into());
    world.create(&specs(1)).await.unwrap();
    assert!(world.account.orders.borrow().iter().all(|order| order.subnet == "subnet-b"));
    world.account.full.borrow_mut().push("subnet-b".into());
    assert_eq!(world.create(&specs(2)).await.unwrap_err().id, "EC2-008");
    world.account.full.borrow_mut().clear();
    world.create(&specs(2)).await.unwrap();
    assert_eq!(world.account.orders.borrow().last().unwrap().subnet, "subnet-b");
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_is_started_and_its_new_address_is_known() {
    let world = World::new();
    world.create(&specs(1)).await.unwrap();
    let provider = world.provider();
    let machines = provider.list().await.unwrap();
    for machine in &machines {
        assert!(provider.stop(machine).await.unwrap().changed());
    }
    assert!(world.account.alive().iter().all(|instance| instance.state == InstanceState::Stopped));
    world.create(&specs(1)).await.unwrap();
    for instance in world.account.alive() {
        let known = world.directory().path().join("ec2/known_hosts").join(&instance.id);
        let address = instance.public_address.unwrap();
        let known = std::fs::read_to_string(known).unwrap();
        assert_eq!(known.lines().filter(|line| line.starts_with(&format!("{address} ssh-ed25519 "))).count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_instances_are_ordered_with() {
    let mut world = World::new();
    world.section.spot = true;
    world.section.ttl = Some(crate::config::HumanDuration(Duration::from_secs(3600)));
    world.create(&specs(2)).await.unwrap();
    let orders = world.account.orders.borrow().clone();
    assert_eq!(orders.iter().map(|order| (order.count, order.spot)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    let key = world.provider().key().read().unwrap();
    for order in &orders {
        assert!(order.ends_at_shutdown && order.bursts && order.public_address);
        assert_eq!((order.disk_gib, order.root_device.as_str()), (20, "/dev/sda1"));
        assert!(order.user_data.contains("orchestrator-expiry.timer"));
        let secret = key.private.lines().nth(4).unwrap(); // the lines before it are the same for every key
        assert!(!order.user_data.contains(secret), "the key of the cluster stays here");
    }
    assert_eq!(world.provider().may_stop().await.unwrap_err().id, "EC2-010");
}

//! Plays what is below EC2: for every instance in a subnet there is a machine of the rig, at the address that moto gave it,
//! which has power when the instance has.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread::{JoinHandle, spawn},
    time::Duration,
};

use orchestrator::effects::ec2::{Client, Ec2, Filter, Instance, InstanceState, Which};

use crate::{
    account::{Account, block_on},
    instance::{Birth, Nature, Power, live},
    proxy::{Call, Proxy},
};

const LOOK: Duration = Duration::from_millis(150);

/// The machines of the instances in the account's subnet. All of them end with it.
pub struct Hypervisor {
    ends: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
}

impl Hypervisor {
    /// Watches the account. What instances are told at their first boot is heard at `proxy`.
    pub fn start(account: &Account, proxy: Arc<Proxy>, nature: Nature) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (client, subnet) = (account.moto.client(), account.subnet.clone());
        let tell = account.moto.client_at(&proxy.url);
        let mut fleet = Fleet { proxy, network: account.network.name.clone(), nature, runs: BTreeMap::new() };
        let end = ends.clone();
        let watch = spawn(move || {
            block_on(async {
                while !end.load(Ordering::Relaxed) {
                    fleet.adjust(&instances(&client, &subnet).await);
                    fleet.report(&tell).await;
                    tokio::time::sleep(LOOK).await;
                }
                fleet.adjust(&[]);
            });
        });
        Self { ends, watch: Some(watch) }
    }
}

impl Drop for Hypervisor {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let ended = self.watch.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the hypervisor failed");
    }
}

async fn instances(client: &Client, subnet: &str) -> Vec<Instance> {
    let there = Which::Like(vec![Filter::new("subnet-id", [subnet])]);
    let found = client.instances(&there).await.unwrap();
    found.into_iter().filter(|instance| !instance.state.is_gone()).collect()
}

/// The machines that there are, by instance.
struct Fleet {
    proxy: Arc<Proxy>,
    network: String,
    nature: Nature,
    runs: BTreeMap<String, Run>,
}

/// A machine.
struct Run {
    /// What was asked of it last.
    power: Power,
    ask: Sender<Power>,
    /// It was shut down from inside.
    is_down: Arc<AtomicBool>,
    /// What that does to its instance.
    ends_then: bool,
    machine: JoinHandle<()>,
}

impl Fleet {
    /// Has a machine for each instance and no others.
    fn adjust(&mut self, instances: &[Instance]) {
        let is_there = |id: &String| instances.iter().any(|instance| instance.id == *id);
        let gone: Vec<_> = self.runs.keys().filter(|id| !is_there(id)).cloned().collect();
        for id in gone {
            let run = self.runs.remove(&id).unwrap();
            drop(run.ask);
            run.machine.join().unwrap(); // its address may be given to another one
        }
        for instance in instances {
            let power = match instance.state {
                InstanceState::Pending | InstanceState::Running => Power::On(instance.public_address.clone()),
                _ => Power::Off,
            };
            match self.runs.get_mut(&instance.id) {
                Some(run) if run.power != power => {
                    run.power = power.clone();
                    run.ask.send(power).unwrap();
                }
                Some(_) => {}
                None => self.begin(instance, power),
            }
        }
    }

    /// Has a machine for a new instance, once the call that made it is known here: that of a foreign one never is.
    fn begin(&mut self, instance: &Instance, power: Power) {
        let made = |call: &Call| call.parameter("ClientToken") == Some(&instance.token);
        let Some(call) = self.proxy.calls().into_iter().find(made) else { return };
        let birth = Birth {
            address: instance.private_address.clone().unwrap(),
            role: if instance.tags["orchestrator/role"] == "server" { "server" } else { "agent" },
            network: self.network.clone(),
            user_data: call.user_data().unwrap(),
            nature: self.nature,
        };
        let (ask, asked) = channel();
        ask.send(power.clone()).unwrap();
        let is_down = Arc::<AtomicBool>::default();
        let ends_then = call.parameter("InstanceInitiatedShutdownBehavior") == Some("terminate");
        let down = is_down.clone();
        let machine = spawn(move || live(&birth, &asked, &down));
        self.runs.insert(instance.id.clone(), Run { power, ask, is_down, ends_then, machine });
    }

    /// Has EC2 know of machines that were shut down from inside.
    async fn report(&mut self, client: &Client) {
        for (id, run) in &mut self.runs {
            if run.is_down.swap(false, Ordering::Relaxed) {
                let ids = std::slice::from_ref(id);
                match run.ends_then {
                    true => client.terminate(ids).await.unwrap(),
                    false => client.stop(ids).await.unwrap(),
                }
            }
        }
    }
}

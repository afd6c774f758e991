//! What the controllers know of the world outside the API: machines, delivered images, ordered faults, pace.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::{model::Role, rehearsal::faults::Faults};

/// A machine whose K3s has joined the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    pub role: Role,
    /// The address other machines use.
    pub address: String,
    /// A K3s release, such as `v1.33.5+k3s1`.
    pub version: String,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    pub running: bool,
    /// References of the images that were put on the machine.
    pub images: Vec<String>,
    /// What the machine's own kubelet says; `None` where the rehearsal plays it.
    pub kubelet: Option<Kubelet>,
}

/// What a kubelet of its own process says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kubelet {
    /// Which start of the kubelet this is: it registers its Node once per start. `None` of a kubelet that told all this
    /// to an earlier process and has not been heard of by this one.
    pub start: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// As `spec.taints` of a Node; given when it registers, never afterwards.
    pub taints: Vec<Value>,
    /// As `status.addresses` of a Node.
    pub addresses: Vec<Value>,
    /// As `status.nodeInfo` of a Node.
    pub info: BTreeMap<String, String>,
    /// Why the node is not ready, in the kubelet's words; `None` when it is.
    pub not_ready: Option<String>,
}

/// How long simulated things take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// An image that is not on the node yet is pulled.
    pub pull: Duration,
    /// A container starts, runs into an ordered crash, or stops.
    pub start: Duration,
    /// A readiness probe succeeds, or a job's container ends its work.
    pub ready: Duration,
    /// A node that joined becomes ready.
    pub node_ready: Duration,
    /// The first back-off after a failure; it doubles up to thirty times this.
    pub back_off: Duration,
}

impl Default for Pace {
    /// A pace for impatient people: seconds of a real cluster become hundredths.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { pull: ms(60), start: ms(20), ready: ms(40), node_ready: ms(150), back_off: ms(1000) }
    }
}

impl Pace {
    /// The pace of a small cluster with a good network, for lessons.
    pub fn real() -> Self {
        let ms = Duration::from_millis;
        Self { pull: ms(4000), start: ms(800), ready: ms(5000), node_ready: ms(8000), back_off: ms(10_000) }
    }
}

/// Everything the controllers know of the world, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// By name.
    pub nodes: BTreeMap<String, Node>,
    pub faults: Faults,
    pub pace: Pace,
    /// K3s's packaged components that are switched off, as in its `disable` setting.
    pub disabled: Vec<String>,
    /// The certificate of the cluster's authority, in PEM.
    pub ca: String,
    /// A server's process is there, whatever its node says.
    pub served: bool,
}

impl State {
    /// Returns whether a server runs, and with it the cluster's control plane.
    pub fn has_server(&self) -> bool {
        self.served || self.nodes.values().any(|node| node.running && node.role == Role::Server)
    }
}

/// The shared, changeable [`State`]; every change wakes the controllers.
#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl World {
    /// Makes a world without machines.
    pub fn new(faults: Faults, pace: Pace) -> Self {
        let state = State { faults, pace, ..State::default() };
        Self { state: Mutex::new(state), changed: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let before = state.clone();
        change(&mut state);
        if *state != before {
            drop(state);
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// Adds a machine, or replaces what was known of it. Joining again with the same facts changes nothing.
    pub fn join(&self, node: Node) {
        self.change(|state| {
            state.nodes.insert(node.name.clone(), node);
        });
    }

    /// Forgets a machine that was destroyed. Its Node object stays until somebody deletes it, as on a real cluster.
    pub fn leave(&self, name: &str) {
        self.change(|state| {
            state.nodes.remove(name);
        });
    }

    /// Says whether a machine's K3s runs. Unknown machines are ignored.
    pub fn set_running(&self, name: &str, running: bool) {
        self.change(|state| {
            if let Some(node) = state.nodes.get_mut(name) {
                node.running = running;
            }
        });
    }

    /// Says that an image was put on a machine. Unknown machines are ignored.
    pub fn deliver(&self, name: &str, reference: &str) {
        self.change(|state| {
            let Some(node) = state.nodes.get_mut(name) else { return };
            if !node.images.iter().any(|image| image == reference) {
                node.images.push(reference.to_owned());
            }
        });
    }

    /// Orders other faults; what no longer fails heals soon.
    pub fn set_faults(&self, faults: Faults) {
        self.change(|state| state.faults = faults);
    }

    pub fn set_pace(&self, pace: Pace) {
        self.change(|state| state.pace = pace);
    }

    /// Names the packaged components that K3s does not install, such as `traefik`.
    pub fn set_disabled(&self, components: Vec<String>) {
        self.change(|state| state.disabled = components);
    }

    /// Says that this process is a server of the cluster: its control plane runs before its node has joined.
    pub fn set_served(&self) {
        self.change(|state| state.served = true);
    }

    /// Says which certificate authority clients may trust.
    pub fn set_ca(&self, ca: &str) {
        self.change(|state| ca.clone_into(&mut state.ca));
    }

    /// Returns a copy of what is known now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Returns a receiver that wakes on each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

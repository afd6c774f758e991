//! The same for every call that a command makes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    account::Account,
    cluster::{Cluster, INSIDE, Wanted},
    proxy::{Call, Delays, Fault},
};

/// So many clusters are made at the same time: most of what they do is wait.
const WIDTH: usize = 8;
/// Long enough to be met in each state, and short enough for many clusters.
const DELAYS: Delays = Delays { change: Duration::from_millis(300), unseen: Duration::from_millis(300) };

/// The places of a server and two agents.
pub const WHOLE: [&str; 3] = ["agent 1-2 0", "agent 1-2 1", "server 1 0"];

/// The call of each command that goes wrong in a turn, as its action and its number among the calls of that action: how
/// often a state is asked for differs from run to run, so that its number among all would tell another call.
pub struct Turn {
    pub number: usize,
    create: Option<(String, usize)>,
    destroy: Option<(String, usize)>,
}

impl Turn {
    /// Has the turn's call of `create` go wrong, if `create` makes so many.
    pub fn breaks_create(&self, cluster: &Cluster<'_>, fault: Fault) {
        order(cluster, self.create.as_ref(), fault);
    }

    /// Has the turn's call of `destroy` go wrong, if `destroy` makes so many.
    pub fn breaks_destroy(&self, cluster: &Cluster<'_>, fault: Fault) {
        order(cluster, self.destroy.as_ref(), fault);
    }
}

fn order(cluster: &Cluster<'_>, call: Option<&(String, usize)>, fault: Fault) {
    match call {
        Some((action, number)) => cluster.proxy.fault_of(action, *number, fault),
        None => _ = cluster.proxy.heals(),
    }
}

/// Clusters of one account, and at which of their calls something went wrong.
pub struct Sweep {
    pub account: Account,
    met: Mutex<BTreeSet<String>>,
}

impl Sweep {
    pub fn new() -> Self {
        Self { account: Account::new(), met: Mutex::default() }
    }

    /// A server and two agents, none of which answers.
    pub fn cluster(&self, name: &str) -> Cluster<'_> {
        Cluster::new(&self.account, &Wanted { name, agents: 2, settings: INSIDE, delays: DELAYS })
    }

    /// Checks that a cluster has its three instances and no other.
    #[track_caller]
    pub fn is_whole(&self, cluster: &Cluster<'_>) {
        assert_eq!(self.account.places_in(&cluster.name), WHOLE, "{}", cluster.name);
    }

    /// Takes note of the call that was ordered to go wrong, if the command came so far.
    pub fn note(&self, cluster: &Cluster<'_>, command: &str) {
        if let Some(call) = cluster.proxy.heals() {
            self.met.lock().unwrap().insert(format!("{command} {}", call.action));
        }
    }

    /// Returns the calls of `create` and of `destroy` where nothing goes wrong.
    pub fn calls(&self) -> (Vec<Call>, Vec<Call>) {
        let cluster = self.cluster("usual");
        cluster.create_instances();
        let create = cluster.proxy.calls();
        self.is_whole(&cluster);
        cluster.run(&["destroy", "--yes"]).ok();
        let destroy = cluster.proxy.calls().split_off(create.len());
        (create, destroy)
    }

    /// Does `work` for every call of `create` and of `destroy`, one of each in a turn. Checks that each kind of call of
    /// these `commands` went wrong, and that nothing is left in the end.
    pub fn each_call(self, commands: &[&str], work: impl Fn(&Self, &Turn) + Sync) {
        let before = self.account.resources();
        let (create, destroy) = self.calls();
        let count = create.len().max(destroy.len());
        let (creating, destroying) = (among_their_like(&create), among_their_like(&destroy));
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..WIDTH.min(count) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return;
                        }
                        let of = |calls: &[(String, usize)]| calls.get(number).cloned();
                        work(&self, &Turn { number, create: of(&creating), destroy: of(&destroying) });
                    }
                });
            }
        });
        println!("create: {} calls, {:?}", create.len(), counted(&create));
        println!("destroy: {} calls, {:?}", destroy.len(), counted(&destroy));
        let named = |(command, calls): (&'static str, Vec<Call>)| {
            calls.into_iter().map(move |call| (command, format!("{command} {}", call.action)))
        };
        let usual = [("create", create), ("destroy", destroy)].into_iter().flat_map(named);
        let usual: BTreeSet<_> =
            usual.filter(|(command, _)| commands.contains(command)).map(|(_, call)| call).collect();
        let met = self.met.into_inner().unwrap();
        assert!(met.is_superset(&usual), "never went wrong: {:?}", &usual - &met);
        assert_eq!(self.account.resources(), before);
    }
}

/// The action of each call, and its number among the calls of that action.
fn among_their_like(calls: &[Call]) -> Vec<(String, usize)> {
    let before = |at: usize| calls[..at].iter().filter(|call| call.action == calls[at].action).count();
    (0..calls.len()).map(|at| (calls[at].action.clone(), before(at))).collect()
}

/// The calls of a command by their actions.
pub fn counted(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.action.as_str()).or_insert(0) += 1;
    }
    counts
}

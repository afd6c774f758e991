//! What the kubelets keep in mind. All of it may be lost: after a crash they wait once more and go on.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use super::super::context::Context;

/// State of the simulated kubelets that is not stored.
#[derive(Default)]
pub struct Memory {
    /// Nodes whose kubelet has registered, and in which of its starts.
    pub registered: HashMap<String, Option<String>>,
    /// Nodes that are ready.
    pub ready: HashSet<String>,
    /// Pulled images by node, as full references.
    pub images: HashMap<String, BTreeSet<String>>,
    waits: HashMap<String, HashMap<String, (String, Instant)>>,
    told: HashMap<String, HashSet<String>>,
    attempts: HashMap<String, u32>,
    addresses: HashMap<String, u8>,
}

/// How a wait goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It begins now and takes this long.
    Begun(Duration),
    /// It takes this much longer.
    Going(Duration),
    Over,
}

impl Memory {
    /// Waits for one stage of one part of an object; another stage of that part starts anew.
    pub fn wait(&mut self, uid: &str, part: &str, stage: &str, delay: Duration) -> Wait {
        let now = Instant::now();
        let waits = self.waits.entry(uid.to_owned()).or_default();
        match waits.get(part) {
            Some((at, due)) if at == stage && *due <= now => {
                waits.remove(part);
                Wait::Over
            }
            Some((at, due)) if at == stage => Wait::Going(*due - now),
            _ => {
                waits.insert(part.to_owned(), (stage.to_owned(), now + delay));
                Wait::Begun(delay)
            }
        }
    }

    /// Returns whether a delay that begins with the first question is over.
    pub fn due(&mut self, uid: &str, stage: &str, delay: Duration) -> bool {
        self.wait(uid, "", stage, delay) == Wait::Over
    }

    /// Returns whether this is told of the object for the first time.
    pub fn first(&mut self, uid: &str, what: &str) -> bool {
        self.told.entry(uid.to_owned()).or_default().insert(what.to_owned())
    }

    /// Counts an attempt and returns how many there were before.
    pub fn attempt(&mut self, uid: &str) -> u32 {
        let attempts = self.attempts.entry(uid.to_owned()).or_default();
        *attempts += 1;
        *attempts - 1
    }

    /// Returns how many attempts were counted.
    pub fn attempts(&self, uid: &str) -> u32 {
        self.attempts.get(uid).copied().unwrap_or(0)
    }

    /// Forgets an object that is gone or starts over.
    pub fn forget(&mut self, uid: &str) {
        self.waits.remove(uid);
        self.told.remove(uid);
        self.attempts.remove(uid);
    }
}

/// Returns the back-off after that many failures: doubled each time, at most thirty times the first.
pub fn back_off(first: Duration, failures: u32) -> Duration {
    (first * 2u32.saturating_pow(failures.min(8))).min(first * 30)
}

/// Returns an address of the node's pod network that no pod has.
pub fn free_address(cx: &mut Context, node: &str) -> String {
    let cidr = cx.get("Node", "", node).map(|node| node.value()["spec"]["podCIDR"].take());
    let cidr = cidr.as_ref().and_then(|cidr| cidr.as_str()).unwrap_or("10.42.0.0/24").to_owned();
    let network = cidr.rsplit_once('.').map_or("10.42.0", |(network, _)| network);
    let pods = cx.index.on_node(node).names;
    let used: HashSet<String> =
        pods.iter().filter_map(|(namespace, name)| cx.index.get(namespace, name)).map(|pod| pod.ip.clone()).collect();
    let last = cx.kubelet.addresses.entry(node.to_owned()).or_insert(1);
    for _ in 2..255 {
        *last = if *last >= 254 { 2 } else { *last + 1 };
        let address = format!("{network}.{last}");
        if !used.contains(&address) {
            return address;
        }
    }
    format!("{network}.254")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_a_limit() {
        let second = Duration::from_secs(1);
        let seconds: Vec<_> = (0..7).map(|n| back_off(second, n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn another_stage_starts_its_own_wait() {
        let mut memory = Memory::default();
        assert!(!memory.due("a", "one", Duration::ZERO));
        assert!(!memory.due("a", "two", Duration::ZERO));
        assert!(memory.due("a", "two", Duration::ZERO));
    }
}

//! The work queue: what to look at next, each thing at most once, now or later.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

/// Who does a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Controller {
    Bootstrap,
    Budget,
    CronJob,
    DaemonSet,
    Deployment,
    Endpoints,
    EventExpiry,
    Garbage,
    Hpa,
    Job,
    Kubelet,
    Namespace,
    Node,
    ReplicaSet,
    Scheduler,
    StatefulSet,
    Claim,
    Volume,
}

/// One object for one controller to look at. For [`Controller::Garbage`] the name is `Kind/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Work {
    pub controller: Controller,
    pub namespace: String,
    pub name: String,
}

impl Work {
    pub fn new(controller: Controller, namespace: &str, name: &str) -> Self {
        Self { controller, namespace: namespace.into(), name: name.into() }
    }
}

/// First in, first out; work that waits already is not added again.
#[derive(Default)]
pub struct Queue {
    ready: VecDeque<Work>,
    waiting: HashSet<Work>,
    timers: BinaryHeap<Reverse<(Instant, Work)>>,
    armed: HashMap<Work, Instant>,
}

impl Queue {
    pub fn add(&mut self, work: Work) {
        if self.waiting.insert(work.clone()) {
            self.ready.push_back(work);
        }
    }

    /// Adds work when `delay` has passed, or earlier when that was asked before.
    pub fn after(&mut self, work: Work, delay: Duration) {
        let due = Instant::now() + delay;
        if self.armed.get(&work).is_some_and(|armed| *armed <= due) {
            return;
        }
        self.armed.insert(work.clone(), due);
        self.timers.push(Reverse((due, work)));
    }

    /// Takes the next piece of work that is due.
    pub fn pop(&mut self) -> Option<Work> {
        let now = Instant::now();
        while self.timers.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((due, work))) = self.timers.pop() else { break };
            if self.armed.get(&work) == Some(&due) {
                self.armed.remove(&work);
                self.add(work);
            }
        }
        let work = self.ready.pop_front()?;
        self.waiting.remove(&work);
        Some(work)
    }

    /// Returns when the next timer fires.
    pub fn next_due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((due, _))| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(name: &str) -> Work {
        Work::new(Controller::Job, "a", name)
    }

    #[test]
    fn work_is_done_in_order_and_once() {
        let mut queue = Queue::default();
        for name in ["x", "y", "x"] {
            queue.add(work(name));
        }
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(work("x")), Some(work("y")), None));
    }

    #[test]
    fn the_earlier_of_two_timers_counts() {
        let mut queue = Queue::default();
        queue.after(work("x"), Duration::from_secs(60));
        queue.after(work("x"), Duration::ZERO);
        queue.after(work("x"), Duration::from_secs(30));
        assert_eq!(queue.pop(), Some(work("x")));
        assert_eq!(queue.pop(), None);
    }
}

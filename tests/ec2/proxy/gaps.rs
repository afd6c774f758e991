//! What the real EC2 does and moto does not: calls with a token are done once, what was made is not seen at once, states
//! take their time and forbid what does not suit them, and what is in use stays.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{call::Call, reply::Reply};

/// How slow the account is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    /// From `pending` to `running`, and the other changes of state.
    pub change: Duration,
    /// Until something new is seen.
    pub unseen: Duration,
}

/// What is known of the account from the calls that came through.
pub struct Account {
    delays: Delays,
    instances: BTreeMap<String, Instance>,
    groups: BTreeMap<String, Instant>,
    /// Calls that made instances, by their tokens.
    made: BTreeMap<String, (BTreeMap<String, String>, Reply)>,
}

struct Instance {
    made: Instant,
    group: Option<String>,
    /// The last change and when it was asked for.
    change: (Change, Instant),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Start,
    Stop,
    End,
}

impl Account {
    pub fn new(delays: Delays) -> Self {
        Self { delays, instances: BTreeMap::new(), groups: BTreeMap::new(), made: BTreeMap::new() }
    }

    /// Returns the answer to a call that does not get to moto.
    pub fn answer(&self, call: &Call) -> Option<Reply> {
        let ids = call.list("InstanceId");
        if let Some(unseen) = ids.iter().find(|id| self.is_unseen(id)) {
            let message = format!("The instance ID '{unseen}' does not exist");
            return Some(Reply::error(400, "InvalidInstanceID.NotFound", &message));
        }
        match call.action.as_str() {
            "RunInstances" => self.repeated(call).or_else(|| self.of_unseen_group(call.group()?)),
            "AuthorizeSecurityGroupIngress" => self.of_unseen_group(call.parameter("GroupId")?),
            "StartInstances" => self.unless(&ids, |code| [STOPPED, PENDING, RUNNING].contains(&code)),
            "StopInstances" => self.unless(&ids, |code| [RUNNING, STOPPING, STOPPED].contains(&code)),
            "DeleteSecurityGroup" => self.in_use(call.parameter("GroupId")?),
            "DescribeInstances" => undecidable(call),
            _ => None,
        }
    }

    /// Takes note of what a call did.
    pub fn learn(&mut self, call: &Call, reply: &Reply) {
        if !reply.ok() {
            return;
        }
        let now = Instant::now();
        let change = match call.action.as_str() {
            "RunInstances" => return self.learn_made(call, reply),
            "CreateSecurityGroup" => {
                self.groups.extend(reply.all("groupId").into_iter().map(|id| (id, now)));
                return;
            }
            "StartInstances" => Change::Start,
            "StopInstances" => Change::Stop,
            "TerminateInstances" => Change::End,
            _ => return,
        };
        for id in call.list("InstanceId") {
            if let Some(known) = self.instances.get_mut(id).filter(|known| known.change.0 != change) {
                known.change = (change, now);
            }
        }
    }

    fn learn_made(&mut self, call: &Call, reply: &Reply) {
        let now = Instant::now();
        let group = call.group().map(str::to_owned);
        for id in reply.all("instanceId") {
            self.instances.insert(id, Instance { made: now, group: group.clone(), change: (Change::Start, now) });
        }
        if let Some(token) = call.parameter("ClientToken") {
            self.made.insert(token.into(), (call.parameters.clone(), reply.clone()));
        }
    }

    /// Returns moto's answer as the real EC2 would give it now.
    pub fn shown(&self, call: &Call, mut reply: Reply) -> Reply {
        match call.action.as_str() {
            "DescribeInstances" => {
                reply.leave_out("instanceId", |id| self.is_unseen(id));
                reply.show_states(|id| self.state(id));
            }
            "DescribeSecurityGroups" => reply.leave_out("groupId", |id| self.group_is_unseen(id)),
            _ => {}
        }
        reply
    }

    /// Returns the answer to a call whose token was used before.
    fn repeated(&self, call: &Call) -> Option<Reply> {
        let (parameters, reply) = self.made.get(call.parameter("ClientToken")?)?;
        if *parameters == call.parameters {
            return Some(reply.clone());
        }
        let message =
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
        Some(Reply::error(400, "IdempotentParameterMismatch", message))
    }

    fn of_unseen_group(&self, id: &str) -> Option<Reply> {
        let message = format!("The security group '{id}' does not exist");
        self.group_is_unseen(id).then(|| Reply::error(400, "InvalidGroup.NotFound", &message))
    }

    fn in_use(&self, group: &str) -> Option<Reply> {
        let holds = |(id, instance): (&String, &Instance)| {
            instance.group.as_deref() == Some(group) && self.state(id).is_some_and(|state| state != TERMINATED)
        };
        let message = format!("resource {group} has a dependent object");
        self.instances.iter().any(holds).then(|| Reply::error(400, "DependencyViolation", &message))
    }

    /// Refuses unless all instances are in a state that suits.
    fn unless(&self, ids: &[&str], suits: impl Fn(State) -> bool) -> Option<Reply> {
        let wrong = ids.iter().find(|id| self.state(id).is_some_and(|state| !suits(state)))?;
        let message = format!("The instance '{wrong}' is not in a state from which it can be changed so.");
        Some(Reply::error(400, "IncorrectInstanceState", &message))
    }

    fn is_unseen(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|known| known.made.elapsed() < self.delays.unseen)
    }

    fn group_is_unseen(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|made| made.elapsed() < self.delays.unseen)
    }

    fn state(&self, instance: &str) -> Option<State> {
        let (change, at) = self.instances.get(instance)?.change;
        let over = at.elapsed() >= self.delays.change;
        Some(match (change, over) {
            (Change::Start, false) => PENDING,
            (Change::Start, true) => RUNNING,
            (Change::Stop, false) => STOPPING,
            (Change::Stop, true) => STOPPED,
            (Change::End, false) => SHUTTING_DOWN,
            (Change::End, true) => TERMINATED,
        })
    }
}

/// As EC2 codes and names it.
type State = (u8, &'static str);

const PENDING: State = (0, "pending");
const RUNNING: State = (16, "running");
const SHUTTING_DOWN: State = (32, "shutting-down");
const TERMINATED: State = (48, "terminated");
const STOPPING: State = (64, "stopping");
const STOPPED: State = (80, "stopped");

/// moto would filter by states that nobody is shown.
fn undecidable(call: &Call) -> Option<Reply> {
    let states = call.filter("instance-state-name")?;
    let pairs = [[PENDING, RUNNING], [SHUTTING_DOWN, TERMINATED], [STOPPING, STOPPED]];
    let torn = |pair: &[State; 2]| pair.iter().filter(|(_, name)| states.contains(name)).count() == 1;
    pairs.iter().any(torn).then(|| Reply::error(400, "Undecidable", "the proxy cannot tell these states apart"))
}

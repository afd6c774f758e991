//! The members of a cluster with embedded etcd: who they are, who leads, who may join.
//!
//! One member leads: it holds the store and answers for all. The others follow its changes, and pass connections on to
//! it. When it is gone and a majority of the members see each other, the one with the newest copy leads next.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use orchestrator::rehearsal::store::copies::Copy;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{log::Fatal, paths::write};

/// One member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// `<node>-<eight letters>`, as etcd's members are called by K3s.
    pub id: String,
    pub node: String,
    /// Where it answers, as `https://10.0.0.4:6443`.
    pub url: String,
    /// Where it answers other members, as `https://10.0.0.4:2380`.
    pub peer: String,
    /// It does not count yet.
    pub learner: bool,
    /// What its serving certificate is for.
    pub names: Vec<String>,
}

/// All members, in the order of their joining.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// Grows with each leader.
    pub term: u64,
    /// Grows with each change.
    pub revision: u64,
    pub members: Vec<Member>,
}

/// What a member is at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Leader,
    /// Of the member with this id.
    Follower(String),
    /// There is no leader, or none is known.
    Lost,
}

/// How a member is, as it tells the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub id: String,
    pub term: u64,
    pub leads: bool,
    pub version: u64,
    pub names: Vec<String>,
    /// Whether the one who asks is a member.
    pub knows: bool,
}

/// What a leader gives its followers.
#[derive(Debug, Serialize, Deserialize)]
pub struct News {
    pub roster: Roster,
    pub copy: Copy,
}

/// The membership as this server knows it.
pub struct Members {
    /// Its own id.
    pub me: String,
    file: PathBuf,
    roster: Mutex<Roster>,
    role: watch::Sender<Role>,
    changed: watch::Sender<u64>,
    /// When learners were seen first.
    learners: Mutex<HashMap<String, Instant>>,
}

impl Members {
    /// The members as kept in `file`, or, for a new server, as they were told.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub fn new(me: String, file: PathBuf, roster: Roster) -> Result<Self, Fatal> {
        let (role, changed) = (watch::Sender::new(Role::Lost), watch::Sender::new(roster.revision));
        let members = Self { me, file, roster: Mutex::new(roster), role, changed, learners: Mutex::default() };
        members.change(|_| ())?;
        Ok(members)
    }

    /// Reads what an earlier process kept.
    pub fn kept(file: &PathBuf) -> Option<Roster> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn roster(&self) -> Roster {
        self.lock().clone()
    }

    pub fn role(&self) -> Role {
        self.role.borrow().clone()
    }

    pub fn leads(&self) -> bool {
        *self.role.borrow() == Role::Leader
    }

    /// Returns a receiver of what this member is.
    pub fn roles(&self) -> watch::Receiver<Role> {
        self.role.subscribe()
    }

    /// Returns a receiver of the roster's revision.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Says what this member is from now on.
    pub fn set_role(&self, role: Role) {
        self.role.send_if_modified(|now| std::mem::replace(now, role.clone()) != role);
    }

    /// Changes the roster and keeps it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn change(&self, change: impl FnOnce(&mut Roster)) -> Result<(), Fatal> {
        let mut roster = self.lock();
        let before = roster.clone();
        change(&mut roster);
        if *roster == before && self.file.exists() {
            return Ok(());
        }
        if roster.revision == before.revision {
            roster.revision += 1;
        }
        write(&self.file, serde_json::to_vec(&*roster)?, 0o600)?;
        self.changed.send_replace(roster.revision);
        Ok(())
    }

    /// Takes a new member in, as a learner.
    ///
    /// # Errors
    /// In etcd's words, when another one is still learning or has the name.
    pub fn join(&self, member: Member) -> Result<Roster, Fatal> {
        let roster = self.roster();
        if roster.members.iter().any(|other| other.id == member.id) {
            return Ok(roster);
        }
        if roster.members.iter().any(|other| other.node == member.node) {
            return Err("duplicate node name found, please use a unique name for this node".into());
        }
        if roster.members.iter().any(|other| other.learner) {
            return Err("etcdserver: too many learner members in cluster".into());
        }
        self.change(|roster| roster.members.push(Member { learner: true, ..member }))?;
        Ok(self.roster())
    }

    /// Lets learners count that are heard of and have learned for this long.
    ///
    /// # Errors
    /// When the roster cannot be kept.
    pub fn promote(&self, states: &[State], after: Duration) -> Result<(), Fatal> {
        let mut learners = self.learners.lock().unwrap_or_else(PoisonError::into_inner);
        self.change(|roster| {
            let heard = |member: &Member| states.iter().any(|state| state.id == member.id);
            for member in roster.members.iter_mut().filter(|member| member.learner && heard(member)) {
                let since = learners.entry(member.id.clone()).or_insert_with(Instant::now);
                member.learner = since.elapsed() < after;
            }
        })
    }

    /// Removes the member on a node that was deleted. Returns whether that was this one.
    ///
    /// # Errors
    /// When the roster cannot be kept.
    pub fn remove(&self, node: &str) -> Result<bool, Fatal> {
        self.change(|roster| roster.members.retain(|member| member.node != node))?;
        Ok(!self.is_member())
    }

    /// Returns whether this server is a member.
    pub fn is_member(&self) -> bool {
        self.lock().members.iter().any(|member| member.id == self.me)
    }

    /// Returns whether this server counts.
    pub fn votes(&self) -> bool {
        self.lock().members.iter().any(|member| member.id == self.me && !member.learner)
    }

    /// Decides what this member is, from what the others said; `version` is that of its own copy.
    ///
    /// # Errors
    /// When it is a member no more.
    pub fn decide(&self, states: &[State], version: u64) -> Result<Role, Fatal> {
        let roster = self.roster();
        let leader =
            states.iter().filter(|state| state.leads && state.term >= roster.term).max_by_key(|state| state.term);
        if leader.is_some_and(|leader| !leader.knows) {
            return Err(self.not_a_member(&roster));
        }
        let voters: Vec<_> = roster.members.iter().filter(|member| !member.learner).collect();
        let heard = |id: &str| states.iter().find(|state| state.id == id);
        let alive: Vec<_> = voters.iter().filter(|voter| voter.id == self.me || heard(&voter.id).is_some()).collect();
        let majority = alive.len() * 2 > voters.len();
        if let Some(leader) = leader.filter(|leader| leader.term > roster.term || !self.leads()) {
            return Ok(Role::Follower(leader.id.clone()));
        }
        if !majority || !self.votes() {
            return Ok(Role::Lost);
        }
        if self.leads() {
            return Ok(Role::Leader);
        }
        let newest = |id: &str| if id == self.me { version } else { heard(id).map_or(0, |state| state.version) };
        let best = alive.iter().map(|voter| newest(&voter.id)).max().unwrap_or(0);
        let next = alive.iter().find(|voter| newest(&voter.id) == best);
        if next.is_none_or(|next| next.id != self.me) {
            return Ok(Role::Lost);
        }
        let term = states.iter().map(|state| state.term).max().unwrap_or(0).max(roster.term) + 1;
        self.change(|roster| roster.term = term)?;
        Ok(Role::Leader)
    }

    fn not_a_member(&self, roster: &Roster) -> Fatal {
        let others = roster.members.iter().filter(|member| member.id != self.me);
        let others: Vec<_> = others.map(|member| format!("{}={}", member.id, member.peer)).collect();
        let own = roster.members.iter().find(|member| member.id == self.me).map(|member| member.peer.as_str());
        let (found, own) = (others.join(" "), own.unwrap_or_default());
        Fatal(format!("this server is a not a member of the etcd cluster. Found [{found}], expect: {}={own}", self.me))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(me: &str) -> (tempfile::TempDir, Members) {
        let folder = tempfile::tempdir().unwrap();
        let member = |id: &str| Member {
            id: id.into(),
            node: id.into(),
            url: String::new(),
            peer: String::new(),
            learner: false,
            names: Vec::new(),
        };
        let roster = Roster { term: 3, revision: 1, members: ["a", "b", "c"].map(member).into() };
        let members = Members::new(me.into(), folder.path().join("members.json"), roster).unwrap();
        (folder, members)
    }

    fn state(id: &str, leads: bool, version: u64) -> State {
        State { id: id.into(), term: 3, leads, version, names: Vec::new(), knows: true }
    }

    #[test]
    fn the_newest_copy_leads_and_the_first_member_of_equals() {
        let (_folder, members) = members("b");
        assert_eq!(members.decide(&[state("a", true, 9)], 5), Ok(Role::Follower("a".into())));
        assert_eq!(members.decide(&[state("a", false, 5)], 5), Ok(Role::Lost));
        assert_eq!(members.decide(&[], 5), Ok(Role::Lost));
        assert_eq!(members.decide(&[state("c", false, 5)], 5), Ok(Role::Leader));
        assert_eq!(members.roster().term, 4);
    }

    #[test]
    fn a_leader_without_a_majority_steps_down() {
        let (_folder, members) = members("a");
        members.set_role(Role::Leader);
        assert_eq!(members.decide(&[state("c", false, 1)], 5), Ok(Role::Leader));
        assert_eq!(members.decide(&[], 5), Ok(Role::Lost));
        let newer = State { term: 4, ..state("b", true, 1) };
        assert_eq!(members.decide(std::slice::from_ref(&newer), 5), Ok(Role::Follower("b".into())));
        let stranger = State { knows: false, ..newer };
        assert!(members.decide(&[stranger], 5).unwrap_err().0.contains("not a member of the etcd cluster"));
    }

    #[test]
    fn members_join_one_at_a_time() {
        let (_folder, members) = members("a");
        let member = Member { id: "d".into(), node: "d".into(), ..members.roster().members[0].clone() };
        members.join(member.clone()).unwrap();
        let another = Member { id: "e".into(), node: "e".into(), ..member.clone() };
        assert_eq!(members.join(another.clone()).unwrap_err().0, "etcdserver: too many learner members in cluster");
        let namesake = Member { id: "d2".into(), ..member.clone() };
        assert!(members.join(namesake).unwrap_err().0.contains("duplicate node name"));
        assert_eq!(members.join(member).unwrap().members.len(), 4);
        members.promote(&[], Duration::ZERO).unwrap();
        assert!(members.join(another.clone()).is_err());
        members.promote(&[state("d", false, 1)], Duration::ZERO).unwrap();
        members.join(another).unwrap();
        assert!(!members.remove("d").unwrap());
    }
}

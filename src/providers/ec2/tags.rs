//! What instances, disks, network interfaces and groups carry from the call that makes them on: by it they are found, even
//! with the state directory lost, and nothing without it is ever touched.

use crate::{
    effects::ec2::{Filter, Instance, Tags},
    model::Role,
};

/// The cluster's random id: whose it is.
pub const CLUSTER_ID: &str = "orchestrator/cluster-id";
/// The cluster's name.
pub const CLUSTER: &str = "orchestrator/cluster";
/// Who made it.
pub const OWNER: &str = "orchestrator/owner";
/// When it ends by itself, RFC 3339.
pub const EXPIRES: &str = "orchestrator/expires";
/// When it was made, RFC 3339.
pub const MADE: &str = "orchestrator/made";
/// What the machines of one call are in the cluster.
pub const ROLE: &str = "orchestrator/role";
/// Their numbers, in the order of their places in the call: one call makes many machines, and all get the same tags.
pub const NODES: &str = "orchestrator/nodes";

/// What is the same for everything of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    pub id: String,
    pub cluster: String,
    pub owner: String,
    /// RFC 3339.
    pub expires: Option<String>,
    /// Now, RFC 3339.
    pub made: String,
}

impl Ownership {
    /// Returns the tags of what belongs to the cluster as a whole.
    pub fn tags(&self) -> Tags {
        let mut tags = Tags::from([
            (CLUSTER_ID.into(), self.id.clone()),
            (CLUSTER.into(), self.cluster.clone()),
            (OWNER.into(), self.owner.clone()),
            (MADE.into(), self.made.clone()),
            ("Name".into(), format!("orchestrator {}", self.cluster)),
        ]);
        if let Some(expires) = &self.expires {
            tags.insert(EXPIRES.into(), expires.clone());
        }
        tags
    }

    /// Returns the tags of the machines of this role and these numbers, and of what is theirs.
    pub fn tags_of(&self, role: Role, numbers: &[u32]) -> Tags {
        let mut tags = self.tags();
        tags.insert("Name".into(), format!("{}-{}", self.cluster, role.name()));
        tags.insert(ROLE.into(), role.name().into());
        tags.insert(NODES.into(), ranges(numbers));
        tags
    }
}

/// Narrows a list down to what a cluster owns.
pub fn of_cluster(id: &str) -> Filter {
    Filter::tag(CLUSTER_ID, id)
}

/// Returns a machine's role and name by its tags and its place in the call that made it; `None` where they do not say.
pub fn machine_of(instance: &Instance) -> Option<(Role, String)> {
    let tag = |key: &str| instance.tags.get(key);
    let role =
        [Role::Server, Role::Agent].into_iter().find(|role| tag(ROLE).is_some_and(|name| name == role.name()))?;
    let number = *numbers(tag(NODES)?)?.get(instance.launch_index)?;
    Some((role, name(tag(CLUSTER)?, role, number)))
}

/// Returns what the machine of this role and number is called.
pub fn name(cluster: &str, role: Role, number: u32) -> String {
    format!("{cluster}-{}-{number}", role.name())
}

/// Returns the number that a machine's name ends with.
pub fn number(machine: &str) -> Option<u32> {
    machine.rsplit('-').next()?.parse().ok()
}

/// Writes numbers down shortly: `1-3 7`. A tag holds 256 characters, and a comma is none that every service of Amazon takes.
fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let part = |(begin, end): &(u32, u32)| if begin == end { begin.to_string() } else { format!("{begin}-{end}") };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    let part = |part: &str| {
        let (begin, end) = part.split_once('-').unwrap_or((part, part));
        Some(begin.parse::<u32>().ok()?..=end.parse::<u32>().ok()?)
    };
    let parts: Option<Vec<_>> = text.split(' ').map(part).collect();
    Some(parts?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_shortly_and_read_again() {
        for (list, text) in [(&[1, 2, 3, 7][..], "1-3 7"), (&[4], "4"), (&[1, 3, 5, 6], "1 3 5-6")] {
            assert_eq!(ranges(list), text);
            assert_eq!(numbers(text).as_deref(), Some(list));
        }
        assert_eq!(numbers("all"), None);
    }

    #[test]
    fn a_machine_is_named_by_its_place_in_the_call() {
        let owner =
            Ownership { id: "i".into(), cluster: "a-b".into(), owner: "ann".into(), expires: None, made: "now".into() };
        let tags = owner.tags_of(Role::Agent, &[2, 5]);
        let instance = |launch_index, tags| Instance { launch_index, tags, ..Instance::example("i-1") };
        assert_eq!(machine_of(&instance(1, tags.clone())), Some((Role::Agent, "a-b-agent-5".into())));
        assert_eq!(machine_of(&instance(2, tags)), None);
        assert_eq!(machine_of(&instance(0, owner.tags())), None);
        assert_eq!(number("a-b-agent-5"), Some(5));
    }
}

//! What EC2 has, as far as clusters need it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Keys and values.
pub type Tags = BTreeMap<String, String>;

/// What a list is narrowed down to: a property that has one of these values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Filter {
    pub fn new(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// What carries this tag.
    pub fn tag(key: &str, value: &str) -> Self {
        Self::new(&format!("tag:{key}"), [value])
    }

    /// What carries a tag of this key, whatever its value.
    pub fn tag_key(key: &str) -> Self {
        Self::new("tag-key", [key])
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub account: String,
    /// Such as `arn:aws:iam::123456789012:user/ann`.
    pub arn: String,
}

/// A life stage of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

impl InstanceState {
    /// Whether it ended, or is about to.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }

    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "pending" => Self::Pending,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "stopped" => Self::Stopped,
            "shutting-down" => Self::ShuttingDown,
            "terminated" => Self::Terminated,
            _ => return None,
        })
    }
}

/// An instance, as it was described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub id: String,
    pub state: InstanceState,
    /// Why it is in this state, where Amazon says so.
    pub reason: Option<String>,
    /// Its place among those of the same call, from 0.
    pub launch_index: usize,
    /// The token of the call that made it.
    pub token: String,
    pub kind: String,
    /// RFC 3339.
    pub launched: String,
    pub private_address: Option<String>,
    pub public_address: Option<String>,
    pub subnet: Option<String>,
    pub vpc: Option<String>,
    pub spot: bool,
    pub tags: Tags,
}

/// Which instances to describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those that fit all of these.
    Like(Vec<Filter>),
    /// Those of these ids; one that is not known fails the call.
    Ids(Vec<String>),
}

/// Instances to make in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Repeating the call with the same token makes nothing more.
    pub token: String,
    pub count: usize,
    pub image: String,
    pub kind: String,
    pub subnet: String,
    pub group: String,
    pub public_address: bool,
    /// What the image calls its first disk.
    pub root_device: String,
    pub disk_gib: u64,
    /// What cloud-init reads, as text.
    pub user_data: String,
    pub tags: Tags,
    pub spot: bool,
    /// What shutting down from inside does: end the instance, or stop it.
    pub ends_at_shutdown: bool,
    /// The type saves processor time up: beyond what it saved it is slowed down, not billed.
    pub bursts: bool,
}

/// Facts about an instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    pub name: String,
    /// `x86_64`, `arm64`.
    pub architectures: Vec<String>,
    pub cpus: u32,
    pub memory_mib: u64,
    pub bursts: bool,
}

/// A machine image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub id: String,
    pub name: String,
    /// `x86_64`, `arm64`.
    pub architecture: String,
    pub root_device: String,
    /// The least its first disk can have, where it says so.
    pub disk_gib: Option<u64>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub id: String,
    pub vpc: String,
    pub zone: String,
    pub cidr: String,
}

/// A security group and what it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
    pub vpc: String,
    pub tags: Tags,
    pub rules: Vec<Rule>,
}

/// What a group lets in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// A TCP port; `None` is everything.
    pub port: Option<u16>,
    pub from: Source,
}

/// From where a group lets in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// Addresses in CIDR notation.
    Addresses(String),
    /// Whatever is in the group of this id.
    Group(String),
}

/// A security group to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    pub name: String,
    pub description: String,
    pub vpc: String,
    pub tags: Tags,
}

/// A disk or a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub id: String,
    /// Nothing holds it.
    pub free: bool,
    pub tags: Tags,
}

#[cfg(test)]
impl Instance {
    /// A running instance that nobody tagged.
    pub fn example(id: &str) -> Self {
        Self {
            id: id.into(),
            state: InstanceState::Running,
            reason: None,
            launch_index: 0,
            token: String::new(),
            kind: "t3.medium".into(),
            launched: "2026-11-20T13:12:16.000Z".into(),
            private_address: Some("172.31.0.4".into()),
            public_address: Some("198.51.100.4".into()),
            subnet: Some("subnet-1".into()),
            vpc: Some("vpc-1".into()),
            spot: false,
            tags: Tags::new(),
        }
    }
}

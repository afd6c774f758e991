//! `[ec2]`: instances at Amazon.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{HumanDuration, format};

/// Instances at Amazon. Credentials come from the environment or `~/.aws`, never from this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ec2Section {
    /// The region; without one, that of the profile or of `AWS_REGION`.
    #[schemars(schema_with = "region")]
    pub region: Option<String>,
    /// Type of the instances; it decides processors and memory instead of `[machine]`.
    #[schemars(schema_with = "instance_type")]
    pub instance_type: String,
    /// Profile in `~/.aws/config`.
    #[schemars(length(min = 1), example = &"default")]
    pub profile: Option<String>,
    /// Image of the instances; without one, the newest Ubuntu LTS when the cluster is created.
    #[schemars(schema_with = "ami")]
    pub ami: Option<String>,
    /// Who to log in as: the account that cloud-init makes on this image.
    #[schemars(length(min = 1), example = &"admin")]
    pub user: String,
    /// Subnet of the instances; without one, the default subnet of one zone.
    #[schemars(schema_with = "subnet")]
    pub subnet: Option<String>,
    /// The addresses by which instances are reached.
    pub address: ReachedBy,
    /// Who reaches SSH and the Kubernetes API, in CIDR notation; without any, this computer alone.
    #[schemars(schema_with = "ranges")]
    pub allow: Vec<String>,
    /// Ports of applications that they reach too, such as the node port of a service.
    #[schemars(schema_with = "ports")]
    pub ports: Vec<u16>,
    /// After this time instances end by themselves, whatever happened to the computer that made them.
    #[schemars(extend("examples" = ["4h"]))]
    pub ttl: Option<HumanDuration>,
    /// Whether agents are spot instances: cheaper, and taken away when Amazon needs them.
    pub spot: bool,
}

/// The addresses by which instances are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReachedBy {
    /// Each instance gets one on the internet.
    Public,
    /// Those of the subnet, for who is inside its network: a runner there, a VPN.
    Private,
}

impl Default for Ec2Section {
    fn default() -> Self {
        Self {
            region: None,
            instance_type: "t3.medium".into(),
            profile: None,
            ami: None,
            user: "ubuntu".into(),
            subnet: None,
            address: ReachedBy::Public,
            allow: Vec::new(),
            ports: Vec::new(),
            ttl: None,
            spot: false,
        }
    }
}

fn ami(_: &mut SchemaGenerator) -> Schema {
    format::AMI.schema()
}

fn subnet(_: &mut SchemaGenerator) -> Schema {
    format::SUBNET.schema()
}

fn ports(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 65535 }, "examples": [[30000]] })
}

fn ranges(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": format::CIDR.schema() })
}

fn region(_: &mut SchemaGenerator) -> Schema {
    format::AWS_REGION.schema()
}

fn instance_type(_: &mut SchemaGenerator) -> Schema {
    format::INSTANCE_TYPE.schema()
}

//! `[ec2]`: instances at Amazon.

use schemars::{JsonSchema, Schema, SchemaGenerator};
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
    #[schemars(length(min = 1), example = &"ami-0123456789abcdef0")]
    pub ami: Option<String>,
    /// After this time instances end by themselves, whatever happened to the computer that made them.
    #[schemars(extend("examples" = ["4h"]))]
    pub ttl: Option<HumanDuration>,
    /// Whether agents are spot instances: cheaper, and taken away when Amazon needs them.
    pub spot: bool,
}

impl Default for Ec2Section {
    fn default() -> Self {
        Self { region: None, instance_type: "t3.medium".into(), profile: None, ami: None, ttl: None, spot: false }
    }
}

fn region(_: &mut SchemaGenerator) -> Schema {
    format::AWS_REGION.schema()
}

fn instance_type(_: &mut SchemaGenerator) -> Schema {
    format::INSTANCE_TYPE.schema()
}

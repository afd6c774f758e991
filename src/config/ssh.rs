//! `[ssh]`: machines that exist already.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::format;
use crate::model::Role;

/// Machines that exist already and answer SSH.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SshSection {
    /// The machines; what `~/.ssh/config` says of them holds too.
    pub hosts: Vec<Host>,
}

/// A machine that exists already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Host {
    /// IP address or host name.
    #[schemars(schema_with = "address")]
    pub address: String,
    /// Who to log in as; without one, as `~/.ssh/config` says.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"ubuntu")]
    pub user: Option<String>,
    /// Port of the SSH server; without one, as `~/.ssh/config` says, or 22.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65535), example = 22)]
    pub port: Option<u16>,
    /// Private key to log in with; `~` is the home directory.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"~/.ssh/id_ed25519")]
    pub key: Option<PathBuf>,
    /// What the machine is in the cluster.
    #[schemars(example = &"server")]
    pub role: Role,
    /// Name of the machine and of its node; without one, it is named after cluster and role.
    #[serde(default)]
    #[schemars(schema_with = "name")]
    pub name: Option<String>,
}

fn address(_: &mut SchemaGenerator) -> Schema {
    format::HOST.schema()
}

fn name(_: &mut SchemaGenerator) -> Schema {
    format::DNS_LABEL.schema()
}

//! `[stacks.NAME]`: what runs on the cluster.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckSection, format};

/// A set of manifests with the secrets they need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StackSection {
    /// A manifest, or a folder of manifests.
    #[schemars(length(min = 1), example = &"manifests/my-app")]
    pub manifests: PathBuf,
    /// Where objects go that name no namespace; the stack's name if it is not given.
    #[serde(default)]
    #[schemars(schema_with = "namespace_schema")]
    pub namespace: Option<String>,
    /// Secrets to generate once and keep in the cluster: by name, then by key.
    #[serde(default)]
    #[schemars(extend("propertyNames" = format::DNS_SUBDOMAIN.keys()))]
    pub secrets: BTreeMap<String, SecretKeys>,
    /// What proves that it works, run by `orchestrator test`, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = format::DNS_LABEL.keys()))]
    pub checks: BTreeMap<String, CheckSection>,
}

/// The keys of a Secret and how their values are made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = format::SECRET_KEY.keys(), "minProperties" = 1))]
pub struct SecretKeys(pub BTreeMap<String, SecretEntry>);

/// How a secret's value is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("errorMessage" = "write `{ random = 24 }`, `{ value = \"postgres\" }` or `{ env = \"DATABASE_PASSWORD\" }`"))]
pub enum SecretEntry {
    /// So many random letters and digits, generated once.
    Random(
        #[schemars(range(min = 8, max = 128), example = 24)]
        #[schemars(extend("errorMessage" = "shorter secrets can be guessed, longer ones are refused by some programs"))]
        u32,
    ),
    /// This text; for names, not for passwords.
    Value(String),
    /// What this environment variable holds when the stack is deployed.
    Env(#[schemars(schema_with = "env_schema")] String),
}

fn namespace_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::DNS_LABEL.schema()
}

fn env_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::ENVIRONMENT_VARIABLE.schema()
}

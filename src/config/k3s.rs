//! `[k3s]`: which release, and its settings.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::format;

/// The K3s to install.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct K3sSection {
    /// A release of K3s; all machines get the same.
    #[schemars(schema_with = "version_schema")]
    pub version: String,
    /// Folder with the release's `k3s` binary, airgap images and sha256sum file; then nothing is downloaded.
    #[schemars(length(min = 1), example = &"k3s/")]
    pub artifacts: Option<PathBuf>,
    /// Settings for `/etc/rancher/k3s/config.yaml`, in K3s's own words.
    #[schemars(schema_with = "config_schema")]
    pub config: Map<String, Value>,
    /// What `/etc/rancher/k3s/registries.yaml` shall say, in K3s's own words: `mirrors` and `configs`.
    #[schemars(schema_with = "registries_schema")]
    pub registries: Map<String, Value>,
}

impl Default for K3sSection {
    fn default() -> Self {
        Self { version: "v1.33.5+k3s1".into(), artifacts: None, config: Map::new(), registries: Map::new() }
    }
}

fn version_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::K3S_VERSION.schema()
}

/// What K3s reads of it (docs.k3s.io/installation/private-registry).
fn registries_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let text = json!({ "type": "string" });
    let of = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), text.clone())).collect::<Map<_, _>>();
    let mut tls = of(&["ca_file", "cert_file", "key_file"]);
    tls.insert("insecure_skip_verify".into(), json!({ "type": "boolean" }));
    let object = |properties| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let mirror = object(json!({
        "endpoint": { "type": "array", "items": text },
        "rewrite": { "type": "object", "additionalProperties": text },
    }));
    let auth = object(Value::Object(of(&["username", "password", "token", "auth", "identity_token"])));
    let config = object(json!({ "auth": auth, "tls": object(Value::Object(tls)) }));
    schemars::json_schema!({
        "type": "object",
        "properties": {
            "mirrors": { "type": "object", "additionalProperties": mirror },
            "configs": { "type": "object", "additionalProperties": config },
        },
        "additionalProperties": false,
    })
}

fn config_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let advice = "a K3s setting is a text, a number, true or false, or a list of these";
    let scalar = ["string", "integer", "number", "boolean"];
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {
            "type": ["string", "integer", "number", "boolean", "array"],
            "items": { "type": scalar, "errorMessage": advice },
            "errorMessage": advice,
        },
        "examples": [json!({ "disable": ["traefik"] })],
    })
}

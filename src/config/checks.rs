//! `[stacks.NAME.checks.NAME]`: what proves that a stack works.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HumanDuration, format};

/// A check of a stack: steps in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CheckSection {
    /// What it proves; the check's name if it is not given.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"films are created, read, changed and deleted")]
    pub title: Option<String>,
    /// What is done, and what must come of it. `{random}` is a number that is new each time, `{NAME}` what an earlier
    /// step kept.
    #[schemars(length(min = 1))]
    pub steps: Vec<CheckStepSection>,
    /// What is done at the end however it went: removes what the steps made.
    #[serde(default)]
    pub finally: Vec<CheckStepSection>,
}

/// One step of a check: `http`, `exec`, `scale` or `delete-pods`, with what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CheckStepSection {
    /// A request to a Service of the stack: a method, the Service (its first port, or the one after a `:`), a path.
    #[schemars(schema_with = "http")]
    pub http: Option<String>,
    /// The body of the request, sent as JSON.
    #[schemars(schema_with = "any")]
    pub json: Option<Value>,
    /// The status that must come back; any of 200 to 299 if it is not given.
    #[schemars(range(min = 100, max = 599), example = 201)]
    pub status: Option<u16>,
    /// What the answer, which must be JSON, must have in it: objects may have more keys, lists more elements.
    #[schemars(schema_with = "any")]
    pub contains: Option<Value>,
    /// What later steps need of the answer, by the name they use: JSON pointers.
    #[schemars(schema_with = "pointers")]
    pub keep: BTreeMap<String, String>,
    /// A command and its arguments, run in a pod of `in`.
    #[schemars(length(min = 1), extend("examples" = [["psql", "--version"]]))]
    pub exec: Option<Vec<String>>,
    /// The workload in whose first pod `exec` runs.
    #[schemars(schema_with = "workload")]
    pub r#in: Option<String>,
    /// What the command must print, without the space around it.
    pub prints: Option<String>,
    /// A workload that gets another number of replicas; when the check ends it has its own again.
    #[schemars(schema_with = "workload")]
    pub scale: Option<String>,
    /// How many replicas.
    #[schemars(range(max = 100))]
    pub to: Option<u32>,
    /// A workload whose pods are deleted, and awaited anew.
    #[schemars(schema_with = "workload")]
    pub delete_pods: Option<String>,
    /// How long it may take. Until then a step that only looks (`GET`, `HEAD`, or `exec` with `prints`) is repeated,
    /// others are if this is given.
    pub within: Option<HumanDuration>,
    /// How long what was seen must stay so.
    pub holds_for: Option<HumanDuration>,
}

/// The placeholder of a number that is new each time.
pub const RANDOM: &str = "random";

/// Returns what stands between braces in a text, where it could be a placeholder.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    ends.filter(|name| (format::PLACEHOLDER.check)(name).is_ok())
}

fn http(_: &mut SchemaGenerator) -> Schema {
    format::HTTP_REQUEST.schema()
}

fn workload(_: &mut SchemaGenerator) -> Schema {
    format::DNS_SUBDOMAIN.schema()
}

fn pointers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": format::PLACEHOLDER.keys(),
        "additionalProperties": format::JSON_POINTER.schema(),
        "examples": [{ "id": "/id" }],
    })
}

fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_a_name_is_a_placeholder() {
        let found: Vec<_> = placeholders("a/{id}/{\"x\": 1}/{random}{}/{open").collect();
        assert_eq!(found, ["id", "random"]);
    }
}

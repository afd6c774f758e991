//! `[images]`: what is built and how it reaches the nodes.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format;

/// The images to build and how they reach the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ImagesSection {
    /// Registry, and the path in it, that images are pushed to; without one, images go straight to the nodes over SSH.
    #[schemars(schema_with = "registry_schema")]
    pub registry: Option<String>,
    /// Tag of all images; without one, each image is tagged by its content.
    #[schemars(schema_with = "tag_schema")]
    pub tag: Option<String>,
    /// Folders with a Dockerfile, by the name that manifests give the image.
    #[schemars(extend("propertyNames" = format::IMAGE_NAME.keys()))]
    #[schemars(extend("additionalProperties" = { "type": "string", "minLength": 1 }))]
    pub build: BTreeMap<String, PathBuf>,
}

fn registry_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::REGISTRY.schema()
}

fn tag_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::IMAGE_TAG.schema()
}

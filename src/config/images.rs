//! `[images]`: what is built and how it reaches the nodes.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format;

/// The images to build and how they reach the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ImagesSection {
    /// Registry, and the path in it, that images are pushed to; without one, images go straight to the nodes over SSH.
    #[schemars(schema_with = "registry_schema")]
    pub registry: Option<String>,
    /// The registry speaks plain HTTP: a local one, for lessons.
    pub plain_http: bool,
    /// The login for the registry; without one, what the environment says, else what `docker login` has made.
    pub login: Option<LoginSection>,
    /// Another login for the nodes, which only pull: a deploy token, an access token that reads.
    pub pull_login: Option<LoginSection>,
    /// Give pods with images of `[images.build]` the login as a pull secret, where one is known.
    pub pull_secret: bool,
    /// Tag of all images; without one, `tag-by` says how each is tagged.
    #[schemars(schema_with = "tag_schema")]
    pub tag: Option<String>,
    /// What an image is tagged by that has no `tag`; its content by default.
    pub tag_by: Option<TagBy>,
    /// Tag every image `latest` too.
    pub latest: bool,
    /// Folders with a Dockerfile, by the name that manifests give the image.
    #[schemars(extend("propertyNames" = format::IMAGE_NAME.keys()))]
    #[schemars(extend("additionalProperties" = { "type": "string", "minLength": 1 }))]
    pub build: BTreeMap<String, PathBuf>,
}

impl Default for ImagesSection {
    fn default() -> Self {
        Self {
            registry: None,
            plain_http: false,
            login: None,
            pull_login: None,
            pull_secret: true,
            tag: None,
            tag_by: None,
            latest: false,
            build: BTreeMap::new(),
        }
    }
}

/// A login for the registry: `user` or `user-env`, and `password-env`. No password is written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoginSection {
    /// User name.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"you")]
    pub user: Option<String>,
    /// Environment variable that holds the user name.
    #[serde(default)]
    #[schemars(schema_with = "env_schema")]
    pub user_env: Option<String>,
    /// Environment variable that holds the password, or a token in its place.
    #[schemars(schema_with = "env_schema")]
    pub password_env: String,
}

/// What tells one build of an image from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TagBy {
    /// The hash of everything in its folder.
    Content,
    /// The commit of git that its folder is at; with the hash, where something is not committed.
    Commit,
}

fn env_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::ENVIRONMENT_VARIABLE.schema()
}

fn registry_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::REGISTRY.schema()
}

fn tag_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    format::IMAGE_TAG.schema()
}

//! Images that are built here and kept by nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::registry::LoginSource;

/// An image to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// As manifests name it.
    pub name: String,
    /// Folder with its Dockerfile, absolute.
    pub context: PathBuf,
    /// Where it belongs: `api-gateway`, `docker.io/you/api-gateway`.
    pub repository: String,
    pub tag: Tag,
    /// It is tagged `latest` too.
    pub latest: bool,
    /// It is pushed to its registry, and nodes pull it from there.
    pub pushed: bool,
    /// Its registry speaks plain HTTP.
    pub plain_http: bool,
    /// The login to push with, if the configuration names one.
    pub login: Option<LoginSource>,
}

/// What an image is tagged by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tag {
    Fixed(String),
    /// The hash of everything in its folder.
    #[default]
    Content,
    /// The commit that its folder is at.
    Commit,
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As manifests name it.
    pub name: String,
    /// What manifests are given instead.
    pub reference: String,
    /// What nodes keep it under.
    pub names: Vec<String>,
    /// Of its manifest, `sha256:...`; empty where nothing is really built.
    pub digest: String,
    /// Nodes pull it from its registry.
    pub pushed: bool,
    /// Everything that it is made of: manifest, configuration, layers. Nothing where nodes pull it.
    pub blobs: Vec<Blob>,
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blob {
    /// `sha256:...`
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// The images that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeImages {
    /// The digests of those that are complete, by name.
    pub complete: BTreeMap<String, String>,
    /// Digests of the parts that are there.
    pub blobs: BTreeSet<String>,
}

impl NodeImages {
    /// Whether a node has an image, whole and under all its names.
    pub fn has(&self, image: &Image) -> bool {
        image.names.iter().all(|name| self.complete.get(name) == Some(&image.digest))
    }
}

/// Images on their way to a node: one file, of which the node has the other parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageArchive {
    pub path: PathBuf,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// What the node keeps the images under.
    pub names: Vec<String>,
}

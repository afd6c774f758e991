//! A stack's Kubernetes manifests as pure data: parsed, checked, ordered, compared.

pub mod equal;
pub mod images;
pub mod parse;
pub mod prepare;
mod problem;
pub mod quantity;
pub mod scope;
#[cfg(test)]
mod shipped;
pub mod waves;

use std::path::PathBuf;

use serde_json::Value;

pub use parse::{conflicts, parse};
pub use problem::{ManifestProblem, failure};

/// One Kubernetes object and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub file: PathBuf,
    /// Line of the file where the document begins, from 1; 0 if no file declares it.
    pub line: usize,
    /// The object; `apiVersion`, `kind` and `metadata.name` are non-empty strings.
    pub object: Value,
}

impl Manifest {
    /// An object that no file declares, because the configuration asks for it.
    pub fn made_up(object: Value) -> Self {
        Self { file: PathBuf::from("orchestrator.toml"), line: 0, object }
    }

    /// Whether a file declares it.
    pub fn is_declared(&self) -> bool {
        self.line > 0
    }

    /// Returns where it is declared, as `web.yaml:3`.
    pub fn place(&self) -> String {
        if self.is_declared() {
            format!("{}:{}", self.file.display(), self.line)
        } else {
            self.file.display().to_string()
        }
    }

    /// Returns `v1` or `apps/v1`.
    pub fn api_version(&self) -> &str {
        text(&self.object["apiVersion"])
    }

    /// Returns the API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    pub fn kind(&self) -> &str {
        text(&self.object["kind"])
    }

    pub fn name(&self) -> &str {
        text(&self.object["metadata"]["name"])
    }

    /// Returns the namespace that the object names, or that parsing filled in.
    pub fn namespace(&self) -> Option<&str> {
        self.object["metadata"]["namespace"].as_str()
    }

    /// Returns what makes this object one and the same for the API, whatever the version it is written in.
    pub fn identity(&self) -> Identity {
        Identity::of(&self.object)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What makes an object one and the same for the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub group: String,
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

impl Identity {
    /// Reads it out of an object.
    pub fn of(object: &Value) -> Self {
        let group = text(&object["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
        Self {
            group: group.into(),
            kind: text(&object["kind"]).into(),
            namespace: object["metadata"]["namespace"].as_str().map(Into::into),
            name: text(&object["metadata"]["name"]).into(),
        }
    }
}

impl std::fmt::Display for Identity {
    /// `Deployment/api-gateway`, as a sentence names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

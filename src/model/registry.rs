//! Logins for registries: where they come from, and what nodes are given.

use serde_json::Value;

/// A login that the configuration names. Its password is in no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSource {
    pub user: UserName,
    /// The environment variable that holds the password, or a token in its place.
    pub password: String,
}

/// Where a user name comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
    Written(String),
    /// It is in this environment variable.
    Environment(String),
}

/// Logins as Docker and Kubernetes keep them: `{"auths": {"registry": {"auth": ".."}}}`.
#[derive(Clone, PartialEq, Eq)]
pub struct DockerConfig(pub String);

impl std::fmt::Debug for DockerConfig {
    /// Leaves the logins out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DockerConfig(..)")
    }
}

impl DockerConfig {
    /// Whether it has a login for this registry.
    pub fn has(&self, registry: &str) -> bool {
        serde_json::from_str::<Value>(&self.0).is_ok_and(|config| config["auths"][registry].is_object())
    }
}

/// Returns the registry of a reference, or of a path in it: its host, with the port if there is one.
pub fn host(reference: &str) -> &str {
    reference.split('/').next().unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_belongs_to_one_registry_and_is_not_shown() {
        let config = DockerConfig(r#"{"auths": {"10.0.0.2:5000": {"auth": "c2VjcmV0"}}}"#.into());
        assert!(config.has(host("10.0.0.2:5000/school/web:1")));
        assert!(!config.has("docker.io") && !DockerConfig("{".into()).has("docker.io"));
        assert_eq!(format!("{config:?}"), "DockerConfig(..)");
    }
}

//! A login for a registry: from the environment, as CI systems give it, or from where the configuration says.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_client::secrets::RegistryAuth;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    effects::state_directory::write_private,
    failure::{CONFIG_INVALID, Failure},
    model::registry::{DockerConfig, LoginSource, UserName},
};

/// The name of Docker Hub in references, and where Docker keeps its login.
pub const DOCKER_HUB: (&str, &str) = ("docker.io", "https://index.docker.io/v1/");

/// Variables whose tokens end with the job that they are given to.
const ENDING: [&str; 3] = ["CI_REGISTRY_PASSWORD", "CI_JOB_TOKEN", "GITHUB_TOKEN"];

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
    /// The variable that the password is from.
    variable: String,
}

impl std::fmt::Debug for Credentials {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.user)
    }
}

impl Credentials {
    /// Returns the login to push with: the one that is named, else what the environment says of the registry.
    ///
    /// # Errors
    /// When a variable that is named is not set.
    pub fn to_push(
        registry: &str,
        source: Option<&LoginSource>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        Self::find(registry, source, &[], variable)
    }

    /// Returns the login for nodes to pull with: the one that is named, else what the environment says of the registry,
    /// first of all GitLab's deploy token, which outlives the job.
    ///
    /// # Errors
    /// When a variable that is named is not set.
    pub fn to_pull(
        registry: &str,
        source: Option<&LoginSource>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        Self::find(registry, source, &[("CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD")], variable)
    }

    fn find(
        registry: &str,
        source: Option<&LoginSource>,
        others: &[(&str, &str)],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        match source {
            Some(source) => Self::named(registry, source, variable).map(Some),
            None => Ok(Self::of(registry, others, variable)),
        }
    }

    fn named(registry: &str, source: &LoginSource, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let filled = |name: &str| variable(name).filter(|text| !text.is_empty()).ok_or_else(|| unset(registry, name));
        let user = match &source.user {
            UserName::Written(name) => name.clone(),
            UserName::Environment(name) => filled(name)?,
        };
        Ok(Self { user, password: filled(&source.password)?, variable: source.password.clone() })
    }

    /// Returns what the environment says of a registry: `ORCHESTRATOR_REGISTRY_USER` and `_PASSWORD` for any, GitLab's
    /// `CI_REGISTRY_USER` and `_PASSWORD` for the one that `CI_REGISTRY` names, before them these `others` of GitLab's
    /// (<https://docs.gitlab.com/ci/variables/predefined_variables/>), `DOCKERHUB_USERNAME` and `DOCKERHUB_TOKEN` for
    /// Docker Hub.
    fn of(registry: &str, others: &[(&str, &str)], variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let mut pairs = vec![("ORCHESTRATOR_REGISTRY_USER", "ORCHESTRATOR_REGISTRY_PASSWORD")];
        if variable("CI_REGISTRY").as_deref() == Some(registry) {
            pairs.extend(others);
            pairs.push(("CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"));
        }
        if registry == DOCKER_HUB.0 {
            pairs.push(("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"));
        }
        let filled = |name: &str| variable(name).filter(|text| !text.is_empty());
        pairs.into_iter().find_map(|(user, password)| {
            Some(Self { user: filled(user)?, password: filled(password)?, variable: password.into() })
        })
    }

    /// Returns the variable that the password is from, if it holds for no longer than the CI job that it was given to.
    pub fn ends_with_job(&self) -> Option<&str> {
        Some(self.variable.as_str()).filter(|variable| ENDING.contains(variable))
    }

    /// Returns them as a registry is told.
    pub fn auth(&self) -> RegistryAuth {
        RegistryAuth::Basic(self.user.clone(), self.password.clone())
    }

    /// Returns them as Docker and Kubernetes keep them.
    pub fn docker_config(&self, registry: &str) -> DockerConfig {
        let auth = json!({"auth": BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password))});
        let mut auths = json!({registry: auth});
        if registry == DOCKER_HUB.0 {
            auths[DOCKER_HUB.1] = auth;
        }
        DockerConfig(json!({"auths": auths}).to_string())
    }

    /// Writes them where Docker, Podman and Buildah look for logins, for this user alone: nothing is in a command line. The
    /// folder is gone once it is dropped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, registry: &str) -> io::Result<Login> {
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("orchestrator-login-").permissions(private).tempdir()?;
        write_private(&folder.path().join("config.json"), &self.docker_config(registry).0)?;
        Ok(Login { folder })
    }
}

fn unset(registry: &str, variable: &str) -> Failure {
    Failure::new(&CONFIG_INVALID, format!("the login for {registry} comes from ${variable}"))
        .because("the variable is not set to text")
        .hint(format!("export {variable}=..., then run the command again"))
}

/// A login in a folder.
#[derive(Debug)]
pub struct Login {
    folder: TempDir,
}

impl Login {
    /// What `DOCKER_CONFIG` names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `REGISTRY_AUTH_FILE` names.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;

    const GITLAB: [(&str, &str); 3] =
        [("CI_REGISTRY", "registry.school.example"), ("CI_REGISTRY_USER", "ci"), ("CI_REGISTRY_PASSWORD", "t")];

    fn variables(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn shown(found: Option<Credentials>) -> Option<String> {
        found.map(|found| format!("{}:{}", found.user, found.password))
    }

    fn pushed(registry: &str, set: &[(&str, &str)]) -> Option<String> {
        shown(Credentials::to_push(registry, None, variables(set)).unwrap())
    }

    #[test]
    fn each_registry_has_its_variables() {
        assert_eq!(pushed("registry.school.example", &GITLAB).as_deref(), Some("ci:t"));
        assert_eq!(pushed("docker.io", &GITLAB), None);
        let hub = [("DOCKERHUB_USERNAME", "you"), ("DOCKERHUB_TOKEN", "t")];
        assert_eq!(pushed("docker.io", &hub).as_deref(), Some("you:t"));
        assert_eq!(pushed("ghcr.io", &hub), None);
        let own = [("ORCHESTRATOR_REGISTRY_USER", "me"), ("ORCHESTRATOR_REGISTRY_PASSWORD", "p"), hub[0], hub[1]];
        assert_eq!(pushed("docker.io", &own).as_deref(), Some("me:p"));
        let empty = [("ORCHESTRATOR_REGISTRY_USER", "me"), ("ORCHESTRATOR_REGISTRY_PASSWORD", "")];
        assert_eq!(pushed("ghcr.io", &empty), None);
    }

    #[test]
    fn nodes_get_what_pushes_or_better_what_lasts() {
        let pulled =
            |set: &[_]| Credentials::to_pull("registry.school.example", None, variables(set)).unwrap().unwrap();
        assert_eq!(pulled(&GITLAB).ends_with_job(), Some("CI_REGISTRY_PASSWORD"));
        let with_token = [&GITLAB[..], &[("CI_DEPLOY_USER", "deploy"), ("CI_DEPLOY_PASSWORD", "d")]].concat();
        let found = pulled(&with_token);
        assert_eq!(found.ends_with_job(), None);
        assert_eq!(shown(Some(found)).as_deref(), Some("deploy:d"));
        assert_eq!(pushed("registry.school.example", &with_token).as_deref(), Some("ci:t"));
    }

    #[test]
    fn a_login_that_is_named_counts_and_must_be_there() {
        let source = LoginSource { user: UserName::Environment("ME".into()), password: "PASSWORD".into() };
        let found = |set: &[_]| Credentials::to_push("ghcr.io", Some(&source), variables(set));
        let set = [("ME", "me"), ("PASSWORD", "p"), ("ORCHESTRATOR_REGISTRY_USER", "x")];
        assert_eq!(shown(found(&set).unwrap()).as_deref(), Some("me:p"));
        let failure = found(&set[..1]).unwrap_err();
        assert_eq!(failure.what, "the login for ghcr.io comes from $PASSWORD");
    }

    #[test]
    fn a_login_is_for_this_user_alone_and_does_not_stay() {
        let credentials = Credentials { user: "you".into(), password: "secret".into(), variable: "TOKEN".into() };
        assert_eq!(format!("{credentials:?}"), "Credentials(you)");
        let login = credentials.write("docker.io").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(login.folder()), mode(&login.file())), (0o700, 0o600));
        let written: Value = serde_json::from_str(&fs::read_to_string(login.file()).unwrap()).unwrap();
        for key in ["docker.io", "https://index.docker.io/v1/"] {
            assert_eq!(written["auths"][key]["auth"], "eW91OnNlY3JldA==", "{written}");
        }
        let folder = login.folder().to_owned();
        drop(login);
        assert!(!folder.exists());
    }
}

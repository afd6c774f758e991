//! This computer: what is installed on it and what it can do.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::model::PackageManager;

/// What this computer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computer {
    path: Vec<PathBuf>,
    home: Option<PathBuf>,
    aws_variables: bool,
}

impl Computer {
    /// Looks at the environment of this process.
    pub fn new() -> Self {
        let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        let aws_variables = env::var_os("AWS_ACCESS_KEY_ID").is_some() || env::var_os("AWS_PROFILE").is_some();
        Self { path, home: env::var_os("HOME").map(PathBuf::from), aws_variables }
    }

    /// Returns where a program is, if it is on the PATH.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().map(|folder| folder.join(name)).find(|path| is_executable(path))
    }

    /// Whether AWS credentials are set in the environment or in `~/.aws`.
    pub fn has_aws_credentials(&self) -> bool {
        let file = |name: &str| self.home.as_ref().is_some_and(|home| home.join(".aws").join(name).is_file());
        self.aws_variables || file("credentials") || file("config")
    }

    /// Returns the folder of this program in the user's cache directory (XDG base directory specification). It need not
    /// exist.
    pub fn cache(&self) -> Option<PathBuf> {
        let chosen = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = chosen.or_else(|| self.home.as_ref().map(|home| home.join(".cache")));
        cache.filter(|path| path.is_absolute()).map(|path| path.join("orchestrator"))
    }

    /// Returns the folder of this program among the user's data (XDG base directory specification). It need not exist.
    pub fn data(&self) -> Option<PathBuf> {
        let chosen = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let data = chosen.or_else(|| self.home.as_ref().map(|home| home.join(".local/share")));
        data.filter(|path| path.is_absolute()).map(|path| path.join("orchestrator"))
    }

    /// Returns how programs are installed here, if it is known.
    pub fn package_manager(&self) -> Option<PackageManager> {
        let there = |(program, _): &(&str, PackageManager)| self.program(program).is_some();
        PackageManager::PROGRAMS.into_iter().find(there).map(|(_, manager)| manager)
    }

    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }
}

/// Returns the value of an environment variable, if it is set to text.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

impl Default for Computer {
    fn default() -> Self {
        Self::new()
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

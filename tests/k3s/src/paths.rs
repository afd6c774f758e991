//! Where K3s keeps what.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The folders of one K3s.
#[derive(Debug, Clone)]
pub struct Paths {
    /// What `/` is to it; only tests by hand set another one.
    root: PathBuf,
    /// `--data-dir`.
    pub data: PathBuf,
}

impl Paths {
    /// Takes `--data-dir`, and the host's root from `K3S_STAND_IN_ROOT`.
    pub fn new(data: Option<&str>) -> Self {
        let root = host_root();
        let data = data.map_or_else(|| root.join("var/lib/rancher/k3s"), PathBuf::from);
        Self { root, data }
    }

    /// Returns whether this is the whole machine's K3s, which may touch interfaces and iptables.
    pub fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns a path of the host: `run/k3s` is `/run/k3s`.
    pub fn host(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn server(&self, path: &str) -> PathBuf {
        self.data.join("server").join(path)
    }

    pub fn tls(&self, path: &str) -> PathBuf {
        self.server("tls").join(path)
    }

    pub fn agent(&self, path: &str) -> PathBuf {
        self.data.join("agent").join(path)
    }

    /// `/etc/rancher/node/password`.
    pub fn node_password(&self) -> PathBuf {
        self.host("etc/rancher/node/password")
    }
}

/// Returns what `/` is.
pub fn host_root() -> PathBuf {
    std::env::var_os("K3S_STAND_IN_ROOT").map_or_else(|| "/".into(), PathBuf::from)
}

/// Writes a file by rename, with a mode, making its folder.
///
/// # Errors
/// With the path in front.
pub fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("open {}: {error}", path.display()));
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folder(folder).map_err(named)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let _ = fs::remove_file(&temporary);
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&temporary).map_err(named)?;
    file.write_all(text.as_ref()).map_err(named)?;
    fs::rename(&temporary, path).map_err(named)
}

/// Makes a folder and those above it; from `server` or `agent` downwards only their owner may enter, as with K3s.
///
/// # Errors
/// As [`fs::create_dir_all`].
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let above: Vec<_> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    for folder in above.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        let private = folder.components().any(|part| part.as_os_str() == "server" || part.as_os_str() == "agent");
        let made = fs::DirBuilder::new().mode(if private { 0o700 } else { 0o755 }).create(folder);
        made.or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

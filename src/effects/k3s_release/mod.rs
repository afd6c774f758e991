//! The files of a K3s release on this computer.

pub mod download;
mod folder;
mod verified;

use std::{fs, path::Path};

use async_trait::async_trait;

pub use download::DownloadedRelease;
pub use folder::FolderRelease;
pub use verified::Verified;

use crate::{
    failure::Failure,
    model::{Done, ReleaseFile, finding::Finding},
};

/// What is told while files are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// So many of so many bytes are here.
    Progress(u64, u64),
    /// What is waited for.
    Waiting(String),
}

/// Is told how it goes.
pub type OnNews<'a> = &'a dyn Fn(News);

/// Where the files of K3s releases come from.
#[async_trait(?Send)]
pub trait K3sRelease {
    /// Has the release's files for machines of this architecture (`amd64`, `arm64`, `arm`) on this computer, each of
    /// them verified: the binary first, then the archives of images.
    ///
    /// # Errors
    /// When a file is not to be had or is not what the release says it is.
    async fn fetch(&self, version: &str, arch: &str, tell: OnNews<'_>) -> Result<Done<Vec<ReleaseFile>>, Failure>;

    /// Says whether the files are on this computer already; fetches and reads none of them.
    fn look(&self, version: &str) -> Option<Finding>;
}

/// Where nothing is really installed: the files have names and no bytes.
pub struct RehearsedRelease;

#[async_trait(?Send)]
impl K3sRelease for RehearsedRelease {
    async fn fetch(&self, _: &str, arch: &str, _: OnNews<'_>) -> Result<Done<Vec<ReleaseFile>>, Failure> {
        let file =
            ReleaseFile { name: binary_name(arch).into(), path: Default::default(), sha256: String::new(), size: 0 };
        Ok(Done::Unchanged(vec![file]))
    }

    fn look(&self, _: &str) -> Option<Finding> {
        None
    }
}

/// Returns what a release calls the binary for an architecture (github.com/k3s-io/k3s/releases).
pub fn binary_name(arch: &str) -> &'static str {
    match arch {
        "arm64" => "k3s-arm64",
        "arm" => "k3s-armhf",
        _ => "k3s",
    }
}

/// Returns the names an archive of a release's images may have, best first.
pub fn archive_names(arch: &str) -> [String; 3] {
    ["tar.zst", "tar.gz", "tar"].map(|ending| format!("k3s-airgap-images-{arch}.{ending}"))
}

/// Returns what a release calls the checksums of an architecture's files.
pub fn list_name(arch: &str) -> String {
    format!("sha256sum-{arch}.txt")
}

/// Returns the architectures whose checksums a folder has.
fn architectures(folder: &Path) -> Vec<String> {
    let names =
        fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<_> =
        names.filter_map(|name| Some(name.strip_prefix("sha256sum-")?.strip_suffix(".txt")?.to_owned())).collect();
    found.sort();
    found
}

/// Reads a `sha256sum-<arch>.txt`: for each file name its SHA-256 in hexadecimal.
pub fn checksums(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(char::is_whitespace)).map(|(sum, name)| {
        let name = name.trim().trim_start_matches(['*', '.', '/']);
        (name.rsplit('/').next().unwrap_or(name), sum)
    })
}

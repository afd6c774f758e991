//! A release from K3s's own server or a mirror, kept in the user's cache directory.

mod part;
mod source;
mod transfer;
mod trouble;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use http::StatusCode;
use tokio::time::Instant;

pub use source::{MIRROR, Patience, RELEASES};

use self::{source::Source, transfer::Tally, trouble::Trouble};
use super::{K3sRelease, News, OnNews, Verified, architectures, archive_names, binary_name, checksums, list_name};
use crate::{
    effects::{
        lock::{self, Asked, Lock},
        state_directory::write_private,
    },
    failure::{CACHE_UNUSABLE, DOWNLOAD_DAMAGED, DOWNLOAD_FAILED, DOWNLOAD_LOCKED, Failure, RELEASE_UNKNOWN},
    model::{Done, ReleaseFile, finding::Finding},
};

const LOCK: &str = "lock";
const LOOK: Duration = Duration::from_millis(200);
const ANOTHER_PLACE: &str = "XDG_CACHE_HOME=$PWD/.cache ./orchestrator create";
const LIST_OF_RELEASES: &str = "https://github.com/k3s-io/k3s/releases";

/// Releases as they are fetched from a server, once for all clusters of a user.
///
/// `<cache>/k3s/<version>/` holds them under the names that K3s gives them. The list of checksums is written last: where
/// it is, everything is.
pub struct DownloadedRelease {
    cache: Option<PathBuf>,
    server: String,
    patience: Patience,
    verified: Verified,
}

/// One release on its way into the cache.
struct Download<'a> {
    version: &'a str,
    folder: &'a Path,
    verified: &'a Verified,
    source: Source,
}

impl DownloadedRelease {
    /// Fetches from below `server`, to this folder of the user's cache directory.
    pub fn new(cache: Option<PathBuf>, server: impl Into<String>, patience: Patience) -> Self {
        let verified = Verified::new(cache.as_deref());
        Self { cache, server: server.into(), patience, verified }
    }

    fn folder(&self, version: &str) -> Option<PathBuf> {
        Some(self.cache.as_ref()?.join("k3s").join(version))
    }

    /// Waits as long as the process that holds the lock gets further.
    async fn lock(&self, folder: &Path, tell: OnNews<'_>) -> Result<Lock, Failure> {
        let (mut size, mut deadline, mut known) = (None, Instant::now(), String::new());
        loop {
            let asked = lock::ask(&folder.join(LOCK), "`orchestrator`").map_err(|error| unusable(folder, &error))?;
            let holder = match asked {
                Asked::Got(lock) => return Ok(lock),
                Asked::HeldBy(holder) => holder,
            };
            let now = Some(size_of(folder));
            if size != now {
                (size, deadline) = (now, Instant::now() + self.patience.lock);
            }
            if known != holder {
                tell(News::Waiting(format!("{holder} is fetching K3s")));
                known.clone_from(&holder);
            }
            if Instant::now() >= deadline {
                let within = humantime::format_duration(self.patience.lock);
                let what = format!("{holder} holds {} and fetched nothing for {within}", folder.display());
                return Err(Failure::new(&DOWNLOAD_LOCKED, what)
                    .hint("end it with Ctrl-C where it runs, then ./orchestrator create"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[async_trait(?Send)]
impl K3sRelease for DownloadedRelease {
    async fn fetch(&self, version: &str, arch: &str, tell: OnNews<'_>) -> Result<Done<Vec<ReleaseFile>>, Failure> {
        let folder = self.folder(version).ok_or_else(|| {
            Failure::new(&CACHE_UNUSABLE, "there is no folder to keep K3s in: neither XDG_CACHE_HOME nor HOME is set")
                .hint(ANOTHER_PLACE)
        })?;
        if let Some(files) = complete(&folder, arch, &self.verified).await {
            return Ok(Done::Unchanged(files));
        }
        let make = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        make.map_err(|error| unusable(&folder, &error))?;
        let _lock = self.lock(&folder, tell).await?;
        if let Some(files) = complete(&folder, arch, &self.verified).await {
            return Ok(Done::Unchanged(files));
        }
        let source = Source::new(&self.server, version, self.patience.clone())?;
        Download { version, folder: &folder, verified: &self.verified, source }
            .files(arch, tell)
            .await
            .map(Done::Changed)
    }

    fn look(&self, version: &str) -> Option<Finding> {
        let Some(folder) = self.folder(version) else {
            return Some(Finding::warning("K3s cannot be kept: neither XDG_CACHE_HOME nor HOME is set", ANOTHER_PLACE));
        };
        let mut here = architectures(&folder);
        here.retain(|arch| is_there(&folder, arch));
        let (place, size) = (folder.display(), size_of(&folder) / 1_000_000);
        Some(match here.as_slice() {
            [] if size > 0 => {
                Finding::ok(format!("K3s {version} is here in part ({size} MB in {place}): `create` continues"))
            }
            [] => Finding::ok(format!("K3s {version} is not here yet: `create` fetches it to {place}")),
            here => Finding::ok(format!("K3s {version} for {} is in {place} ({size} MB)", here.join(", "))),
        })
    }
}

impl Download<'_> {
    async fn files(&self, arch: &str, tell: OnNews<'_>) -> Result<Vec<ReleaseFile>, Failure> {
        let list = list_name(arch);
        let sums = transfer::text(&self.source, &list, tell).await.map_err(|trouble| self.failure(&list, trouble))?;
        let files = files_of(&sums, arch);
        if files.is_empty() {
            let what = format!("{} names no {}", self.source.address(&list), binary_name(arch));
            return Err(Failure::new(&DOWNLOAD_DAMAGED, what).hint("./orchestrator create"));
        }
        let tally = Tally::new(tell);
        let fetched = join_all(files.iter().map(|(name, sum)| self.file(name, sum, &tally))).await;
        if let Some(failure) = Failure::join(fetched.into_iter().filter_map(Result::err)) {
            return Err(failure);
        }
        write_private(&self.folder.join(&list), &sums).map_err(|error| unusable(self.folder, &error))?;
        complete(self.folder, arch, self.verified).await.ok_or_else(|| {
            let why = io::Error::other("the files that were just fetched are no longer there, or were changed");
            unusable(self.folder, &why)
        })
    }

    async fn file(&self, name: &str, sum: &str, tally: &Tally<'_>) -> Result<(), Failure> {
        let path = self.folder.join(name);
        if self.verified.sha256(&path).await.is_ok_and(|(actual, _)| actual == *sum) {
            return Ok(());
        }
        let fetched = transfer::file(&self.source, self.folder, name, sum, tally).await;
        fetched.map_err(|trouble| self.failure(name, trouble))?;
        self.verified.know(&path, sum);
        Ok(())
    }

    fn failure(&self, name: &str, trouble: Trouble) -> Failure {
        let address = self.source.address(name);
        match trouble {
            Trouble::Disk(error) => unusable(self.folder, &error),
            Trouble::Checksum { .. } => {
                Failure::new(&DOWNLOAD_DAMAGED, format!("{address} is not what the release says it is"))
                    .because(trouble)
                    .because("it was removed; a proxy or a mirror may have changed it")
                    .hint("./orchestrator create")
            }
            Trouble::Status(StatusCode::NOT_FOUND) => Failure::new(&RELEASE_UNKNOWN, format!("there is no {address}"))
                .because(format!("K3s {} does not exist there, or has no such file", self.version))
                .hint(format!("choose a `version` for [k3s] from {LIST_OF_RELEASES}")),
            trouble => Failure::new(&DOWNLOAD_FAILED, format!("cannot fetch {address}")).because(trouble).hint(
                "./orchestrator create (what has come is kept); without internet, name a folder with the files: \
                 `artifacts` of [k3s]",
            ),
        }
    }
}

/// Returns the files of a release that is wholly in its folder.
async fn complete(folder: &Path, arch: &str, verified: &Verified) -> Option<Vec<ReleaseFile>> {
    let sums = fs::read_to_string(folder.join(list_name(arch))).ok()?;
    let mut files = Vec::new();
    for (name, sum) in files_of(&sums, arch) {
        let path = folder.join(&name);
        let (sha256, size) = verified.sha256(&path).await.ok()?;
        if sha256 != sum {
            return None;
        }
        files.push(ReleaseFile { name, path, sha256, size });
    }
    (!files.is_empty()).then_some(files)
}

/// Whether all files of a release are in its folder, whatever they hold.
fn is_there(folder: &Path, arch: &str) -> bool {
    let sums = fs::read_to_string(folder.join(list_name(arch))).unwrap_or_default();
    let files = files_of(&sums, arch);
    !files.is_empty() && files.iter().all(|(name, _)| folder.join(name).is_file())
}

/// Returns what a node needs of a release and its SHA-256: the binary, then the best archive of images, if there is one.
/// Nothing when there is no binary.
fn files_of(sums: &str, arch: &str) -> Vec<(String, String)> {
    let find = |wanted: &str| {
        let mut sums = checksums(sums);
        sums.find(|(name, _)| *name == wanted).map(|(name, sum)| (name.to_owned(), sum.to_ascii_lowercase()))
    };
    let Some(binary) = find(binary_name(arch)) else { return Vec::new() };
    let archive = archive_names(arch).iter().find_map(|name| find(name));
    std::iter::once(binary).chain(archive).collect()
}

/// Returns the bytes of a folder's files.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name() != LOCK).filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

fn unusable(folder: &Path, error: &io::Error) -> Failure {
    let place = folder.display();
    let failure = Failure::new(&CACHE_UNUSABLE, format!("K3s cannot be kept in {place}")).because(error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failure.hint(format!("df -h {place}")),
        _ => failure.hint(ANOTHER_PLACE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_needs_the_binary_and_the_best_archive_that_the_list_names() {
        let list =
            "AA  k3s-airgap-images-arm64.tar\nbb  k3s-airgap-images-arm64.tar.gz\ncc *./dist/k3s-arm64\ndd  k3s\n";
        let named = |name: &str, sum: &str| (name.to_owned(), sum.to_owned());
        let files = [named("k3s-arm64", "cc"), named("k3s-airgap-images-arm64.tar.gz", "bb")];
        assert_eq!(files_of(list, "arm64"), files);
        assert_eq!(files_of("AA  k3s\n", "amd64"), [named("k3s", "aa")]);
        assert_eq!(files_of(list, "arm"), []);
        assert_eq!(files_of("<html>log in first</html>", "amd64"), []);
    }

    #[tokio::test]
    async fn without_a_home_nothing_is_fetched_and_it_says_what_to_set() {
        let release = DownloadedRelease::new(None, RELEASES, Patience::default());
        let failure = release.fetch("v1.33.5+k3s1", "amd64", &|_| ()).await.unwrap_err();
        assert_eq!(failure.id, CACHE_UNUSABLE.id);
        assert_eq!(failure.hint.as_deref(), Some(ANOTHER_PLACE));
    }
}

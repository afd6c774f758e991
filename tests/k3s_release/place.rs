//! A cache of the test's own, and what comes of fetching into it.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use orchestrator::{
    effects::k3s_release::{DownloadedRelease, K3sRelease, News, download::Patience},
    failure::Failure,
    model::{Done, ReleaseFile},
};

use crate::server::{ARCHIVE, BINARY, Server};

pub const VERSION: &str = "v1.33.5+k3s1";

/// A cache directory. It is removed with it.
pub struct Place {
    folder: tempfile::TempDir,
    pub patience: Patience,
    told: RefCell<Vec<News>>,
}

impl Place {
    pub fn new() -> Self {
        let patience = Patience { pauses: vec![Duration::from_millis(5); 3], ..Patience::default() };
        Self { folder: tempfile::tempdir().unwrap(), patience, told: RefCell::default() }
    }

    /// Nothing is tried twice.
    pub fn impatient() -> Self {
        let mut place = Self::new();
        place.patience.pauses = Vec::new();
        place
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("orchestrator")
    }

    /// A file of the release in the cache.
    pub fn path(&self, name: &str) -> PathBuf {
        self.cache().join("k3s").join(VERSION).join(name)
    }

    pub fn part(&self) -> PathBuf {
        self.path("k3s.part")
    }

    pub fn fetch(&self, server: &Server) -> Result<Done<Vec<ReleaseFile>>, Failure> {
        let tell = |news| self.told.borrow_mut().push(news);
        fetch(&self.cache(), &server.address, self.patience.clone(), &tell)
    }

    /// Fetches and checks that everything that the server has is here. Returns whether anything was fetched.
    #[track_caller]
    pub fn has_all_of(&self, server: &Server) -> bool {
        let done = self.fetch(server).unwrap();
        let changed = done.changed();
        let files = done.into_inner();
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), [BINARY, ARCHIVE]);
        for file in files {
            let bytes = fs::read(&file.path).unwrap();
            assert!(bytes == server.file(&file.name), "{} is not the server's", file.name);
            assert_eq!((file.size, file.sha256), (bytes.len() as u64, crate::server::sha256(&bytes)));
        }
        assert_eq!(parts(&self.path("")), Vec::<String>::new());
        changed
    }

    /// What was told of waiting.
    pub fn waits(&self) -> Vec<String> {
        let waits = |news: &News| match news {
            News::Waiting(seen) => Some(seen.clone()),
            News::Progress(..) => None,
        };
        self.told.borrow().iter().filter_map(waits).collect()
    }

    /// The last progress that was told.
    pub fn progress(&self) -> Option<(u64, u64)> {
        let progress = |news: &News| match news {
            News::Progress(done, of) => Some((*done, *of)),
            News::Waiting(_) => None,
        };
        self.told.borrow().iter().rev().find_map(progress)
    }
}

fn parts(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "part")).collect()
}

/// Fetches on a runtime like the program's.
pub fn fetch(
    cache: &Path,
    server: &str,
    patience: Patience,
    tell: &dyn Fn(News),
) -> Result<Done<Vec<ReleaseFile>>, Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let release = DownloadedRelease::new(Some(cache.into()), server, patience);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(release.fetch(VERSION, "amd64", tell))
}

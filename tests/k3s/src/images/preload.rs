//! The folder of image archives: imported at start, and whenever one appears.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::Images;
use crate::log;

/// Length and time of change of each archive that was looked at.
type Looked = BTreeMap<PathBuf, (u64, SystemTime)>;

/// What is in `<data-dir>/agent/images`.
pub struct Preload {
    folder: PathBuf,
    store: PathBuf,
    looked: Looked,
}

impl Preload {
    /// Watches `folder` for the images in `store`, which is `<data-dir>/agent/containerd`.
    pub fn new(folder: PathBuf, store: PathBuf) -> Self {
        Self { folder, store, looked: Looked::new() }
    }

    /// Imports what is new since the last time.
    pub async fn import(mut self) -> Self {
        let done = tokio::task::spawn_blocking(move || {
            self.import_now();
            self
        });
        done.await.expect("an import reports its errors")
    }

    fn import_now(&mut self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut archives: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_archive(path)).collect();
        archives.sort();
        for path in archives {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let Ok(changed) = metadata.modified() else { continue };
            if self.looked.insert(path.clone(), (metadata.len(), changed)) == Some((metadata.len(), changed)) {
                continue;
            }
            log::info(format!("Importing images from {}", path.display()));
            match fs::File::open(&path)
                .map_err(|error: io::Error| error.to_string())
                .and_then(|file| Images::open(&self.store, "k8s.io").import(file))
            {
                Ok(names) => log::info(format!("Imported {} images from {}", names.len(), path.display())),
                Err(why) => log::error(format!("Unable to import images from {}: {why}", path.display())),
            }
        }
    }

    /// Looks again and again.
    pub async fn watch(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            self = self.import().await;
        }
    }
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"].iter().any(|ending| name.ends_with(ending))
}

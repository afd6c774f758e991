use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::super::{layout::Layout, summed::Summed};
use crate::model::{hex::hex, image::Blob};

/// What was pushed, until it is taken.
pub struct Uploads {
    layout: Layout,
    folder: PathBuf,
    open: Mutex<HashMap<String, Upload>>,
    manifests: Mutex<HashMap<String, Value>>,
}

/// A blob on its way.
pub struct Upload {
    into: Summed<NamedTempFile>,
    pub size: u64,
}

impl Upload {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.into.write_all(bytes)
    }
}

impl Uploads {
    pub fn new(layout: Layout, folder: &Path) -> io::Result<Self> {
        let folder = folder.join("pushed");
        fs::create_dir_all(&folder)?;
        Ok(Self { layout, folder, open: Mutex::default(), manifests: Mutex::default() })
    }

    /// Begins an upload and returns its name.
    pub fn begin(&self) -> io::Result<String> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let upload = Upload { into: Summed::new(NamedTempFile::new_in(&self.folder)?), size: 0 };
        self.pause(&name, upload);
        Ok(name)
    }

    /// Hands an upload to whoever goes on with it.
    pub fn resume(&self, name: &str) -> Option<Upload> {
        lock(&self.open).remove(name)
    }

    pub fn pause(&self, name: &str, upload: Upload) {
        lock(&self.open).insert(name.into(), upload);
    }

    /// Ends an upload. Returns whether it has this digest; only then is it kept.
    pub fn finish(&self, upload: Upload, digest: &str) -> io::Result<bool> {
        let (file, sum) = upload.into.finish()?;
        let same = digest == format!("sha256:{sum}");
        if same {
            file.persist(self.folder.join(sum)).map_err(|error| error.error)?;
        }
        Ok(same)
    }

    /// Returns the size of a blob that is here.
    pub fn size(&self, digest: &str) -> Option<u64> {
        let files = [self.came(digest)?, self.layout.blob(digest)];
        files.iter().find_map(|file| fs::metadata(file).ok()).map(|file| file.len())
    }

    /// Keeps a manifest and returns its digest.
    pub fn keep_manifest(&self, bytes: &[u8]) -> serde_json::Result<String> {
        let manifest = serde_json::from_slice(bytes)?;
        let digest = format!("sha256:{}", hex(Sha256::digest(bytes)));
        lock(&self.manifests).insert(digest.clone(), manifest);
        Ok(digest)
    }

    pub fn manifest(&self, digest: &str) -> Option<Value> {
        lock(&self.manifests).get(digest).cloned()
    }

    /// Has a blob that came, or was there, in the layout.
    pub fn place(&self, digest: &str) -> io::Result<Blob> {
        let came = self.came(digest).ok_or_else(|| io::Error::other(format!("{digest} is no SHA-256")))?;
        let place = self.layout.blob(digest);
        if !place.exists() {
            fs::rename(came, &place)?;
        }
        Ok(Blob { digest: digest.into(), size: fs::metadata(place)?.len() })
    }

    /// Where a blob is that came; `None` for what is no digest.
    fn came(&self, digest: &str) -> Option<PathBuf> {
        let sum = digest.strip_prefix("sha256:")?;
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sum.then(|| self.folder.join(sum))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Records and blobs, in the folders where containerd keeps its own.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use orchestrator::model::hex::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One image, by the name it is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub media_type: String,
    /// Of its manifest, or of the index that leads there.
    pub digest: String,
    /// Of its configuration: what `crictl` calls the image's id.
    pub config: String,
    /// Everything it is made of.
    pub blobs: Vec<String>,
}

/// The images of one namespace.
pub struct Images {
    folder: PathBuf,
    namespace: String,
}

impl Images {
    /// Opens the images below `<data-dir>/agent/containerd`.
    pub fn open(folder: &Path, namespace: &str) -> Self {
        Self { folder: folder.into(), namespace: namespace.into() }
    }

    fn records(&self) -> PathBuf {
        self.folder.join("io.containerd.metadata.v1.bolt").join(format!("{}.json", self.namespace))
    }

    fn blobs(&self) -> PathBuf {
        self.folder.join("io.containerd.content.v1.content/blobs/sha256")
    }

    /// Returns where a blob is, or would be.
    pub fn blob(&self, digest: &str) -> PathBuf {
        self.blobs().join(digest.trim_start_matches("sha256:"))
    }

    /// Returns the images by name.
    pub fn list(&self) -> BTreeMap<String, Image> {
        fs::read(self.records()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn known(&self) -> PathBuf {
        self.folder.join("known-to-the-kubelet.json")
    }

    /// Remembers that the kubelet has told of these images.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_known(&self, names: &[String]) -> io::Result<()> {
        crate::paths::write(&self.known(), serde_json::to_vec(names)?, 0o644)
    }

    /// Returns the images that the kubelet has told of; `None` when there is no kubelet.
    pub fn known_names(&self) -> Option<Vec<String>> {
        serde_json::from_slice(&fs::read(self.known()).ok()?).ok()
    }

    /// Returns the digests of all blobs, in order.
    pub fn content(&self) -> Vec<String> {
        let entries = fs::read_dir(self.blobs()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut digests: Vec<_> = names.filter(|name| name.len() == 64).map(|name| format!("sha256:{name}")).collect();
        digests.sort();
        digests
    }

    /// Changes the records, alone.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Image>)) -> io::Result<()> {
        let path = self.records();
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.with_extension("lock"))?;
        lock.lock()?;
        let mut images = self.list();
        change(&mut images);
        crate::paths::write(&path, serde_json::to_vec(&images)?, 0o644)
    }

    /// Keeps what `reader` gives as a blob and returns its digest and size, in bytes. With `wanted`, another content is an
    /// error.
    ///
    /// # Errors
    /// When it cannot be read or kept.
    pub fn keep(&self, mut reader: impl Read, wanted: Option<&str>) -> io::Result<(String, u64)> {
        fs::create_dir_all(self.blobs())?;
        let mut file = tempfile::NamedTempFile::new_in(self.blobs())?;
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count])?;
            size += count as u64;
        }
        let digest = format!("sha256:{}", hex(hash.finalize()));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(io::Error::other(format!(
                "unexpected commit digest {digest}, expected {wanted}: failed precondition"
            )));
        }
        file.persist(self.blob(&digest)).map_err(|error| error.error)?;
        Ok((digest, size))
    }

    /// Returns how many of an image's blobs are there, and their bytes.
    pub fn present(&self, image: &Image) -> (usize, u64) {
        let sizes = image.blobs.iter().filter_map(|digest| fs::metadata(self.blob(digest)).ok());
        sizes.fold((0, 0), |(count, bytes), metadata| (count + 1, bytes + metadata.len()))
    }
}

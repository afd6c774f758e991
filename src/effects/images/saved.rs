//! Archives of `docker save`: `manifest.json` names the files that are the configuration and the layers.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::layout::{Layout, Parts};
use crate::{effects::state_directory::write_private, model::image::Blob};

/// What is read into memory at most.
const SMALL: u64 = 16 << 20;
/// Parts of this size are worth knowing again, in bytes.
const LARGE: u64 = 1 << 20;

/// An archive, whose files are all kept.
pub struct Saved {
    manifest: Value,
    parts: HashMap<String, Blob>,
}

impl Saved {
    /// Reads an archive. A large layer that an earlier archive had too is not read again: every builder names layers after
    /// their contents.
    ///
    /// # Errors
    /// When it cannot be read, or its files not be kept.
    pub fn read(layout: &Layout, archive: &Path) -> io::Result<Self> {
        let mut known = Known::read(layout);
        let mut saved = Self { manifest: Value::Null, parts: HashMap::new() };
        let mut links = Vec::new();
        for entry in tar::Archive::new(BufReader::new(File::open(archive)?)).entries_with_seek()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            if let Some(target) = entry.link_name()? {
                links.push((path, target.to_string_lossy().trim_start_matches("../").to_owned()));
            } else if path == "manifest.json" {
                let mut text = Vec::new();
                entry.by_ref().take(SMALL).read_to_end(&mut text)?;
                saved.manifest = serde_json::from_slice(&text)?;
            } else if entry.header().entry_type().is_file() {
                let part = match known.part(layout, &path, entry.size()) {
                    Some(part) => part,
                    None => layout.keep(entry)?,
                };
                known.learn(&path, &part);
                saved.parts.insert(path, part);
            }
        }
        // A layer that is there twice is a link to where it was first.
        for (path, target) in links {
            if let Some(part) = saved.parts.get(&target).cloned() {
                saved.parts.insert(path, part);
            }
        }
        known.write(layout)?;
        Ok(saved)
    }

    /// Returns what the one image in it consists of.
    ///
    /// # Errors
    /// When there is none, or part of it is not there.
    pub fn parts(&self) -> io::Result<Parts> {
        let image = self.manifest.get(0).ok_or_else(|| io::Error::other("there is no image in it"))?;
        let layers = image["Layers"].as_array().into_iter().flatten().map(|path| self.part(path));
        Ok(Parts { config: self.part(&image["Config"])?, layers: layers.collect::<Result<_, _>>()? })
    }

    /// Returns the part that a path in the archive names.
    fn part(&self, path: &Value) -> io::Result<Blob> {
        let path = path.as_str().unwrap_or_default();
        self.parts.get(path).cloned().ok_or_else(|| io::Error::other(format!("{path} is not in it")))
    }
}

/// Large parts of earlier archives, by their paths there.
struct Known(BTreeMap<String, Blob>);

impl Known {
    fn file(layout: &Layout) -> PathBuf {
        layout.folder().join("saved.json")
    }

    fn read(layout: &Layout) -> Self {
        let text = fs::read(Self::file(layout)).ok();
        Self(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
    }

    fn part(&self, layout: &Layout, path: &str, size: u64) -> Option<Blob> {
        let part = self.0.get(path).filter(|part| part.size == size)?;
        layout.blob(&part.digest).exists().then(|| part.clone())
    }

    fn learn(&mut self, path: &str, part: &Blob) {
        if part.size >= LARGE && tells_its_content(path) {
            self.0.insert(path.into(), part.clone());
        }
    }

    fn write(mut self, layout: &Layout) -> io::Result<()> {
        self.0.retain(|_, part| layout.blob(&part.digest).exists());
        write_private(&Self::file(layout), &serde_json::to_string(&self.0)?)
    }
}

/// Whether a path has a SHA-256 in it: `<hash>/layer.tar` and `blobs/sha256/<hash>` of Docker, `<hash>.tar` of Podman.
fn tells_its_content(path: &str) -> bool {
    let is_hash = |part: &str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    path.split(['/', '.']).any(is_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_tell_their_content_are_known_again() {
        let hash = "a".repeat(64);
        for path in [format!("{hash}/layer.tar"), format!("blobs/sha256/{hash}"), format!("{hash}.tar")] {
            assert!(tells_its_content(&path), "{path}");
        }
        for path in ["layer.tar", "0/layer.tar", "manifest.json"] {
            assert!(!tells_its_content(path), "{path}");
        }
    }

    #[test]
    fn what_is_no_archive_of_an_image_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().join("layout"));
        let path = folder.path().join("saved.tar");
        tar::Builder::new(File::create(&path).unwrap()).finish().unwrap();
        fs::create_dir_all(layout.folder()).unwrap();
        let said = Saved::read(&layout, &path).unwrap().parts().unwrap_err();
        assert_eq!(said.to_string(), "there is no image in it");
    }

    #[test]
    fn a_layer_that_was_there_before_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().into());
        fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        let path = format!("{}/layer.tar", "b".repeat(64));
        let archive = |byte: u8| {
            let file = folder.path().join("saved.tar");
            let mut tar = tar::Builder::new(File::create(&file).unwrap());
            let content = vec![byte; LARGE as usize];
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, &path, content.as_slice()).unwrap();
            tar.finish().unwrap();
            file
        };
        let part = |file: &Path| Saved::read(&layout, file).unwrap().part(&path.as_str().into()).unwrap();
        let first = part(&archive(1));
        assert_eq!(part(&archive(2)), first, "it was read although its name tells that it is the same");
        fs::remove_file(layout.blob(&first.digest)).unwrap();
        assert_ne!(part(&archive(2)), first, "what is not here any more is read");
    }
}

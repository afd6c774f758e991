//! Built images on this computer, as an OCI image layout: each part a file that its SHA-256 names
//! (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::summed::Summed;
use crate::{
    effects::state_directory::write_private,
    model::{
        image::{Blob, Image, ImageArchive},
        image_name::repository,
    },
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The annotation by which containerd names what it imports.
const NAME: &str = "io.containerd.image.name";

/// How many of an image's builds are kept: going back to the last but one costs nothing.
const KEPT: usize = 3;

/// A folder with built images.
#[derive(Debug, Clone)]
pub struct Layout {
    folder: PathBuf,
}

/// What an image consists of, beside its manifest.
#[derive(Debug)]
pub struct Parts {
    pub config: Blob,
    pub layers: Vec<Blob>,
}

/// What an image was built from, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The hash of the folder it was built from.
    pub content: String,
    /// Name and tag.
    pub reference: String,
    /// Of its manifest.
    pub digest: String,
    /// Where it was built from.
    pub context: PathBuf,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub built: i64,
    /// It was tagged `latest` too.
    #[serde(default)]
    pub latest: bool,
    /// Nothing of it is kept here: its registry has it.
    #[serde(default)]
    pub pushed: bool,
}

impl Layout {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn blobs(&self) -> PathBuf {
        self.folder.join("blobs/sha256")
    }

    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.blobs().join(digest.trim_start_matches("sha256:"))
    }

    fn records(&self) -> PathBuf {
        self.folder.join("images.json")
    }

    fn read_records(&self) -> BTreeMap<String, Record> {
        fs::read(self.records()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Returns what is known of the image with this name and tag, when it was built from this folder and all of it is here,
    /// or in its registry.
    pub fn record(&self, reference: &str, context: &Path) -> Option<Record> {
        let record = self.read_records().remove(&key(reference, context))?;
        let here = record.pushed || self.parts(&record.digest).is_ok();
        here.then_some(record)
    }

    /// Takes in an image whose parts `parts` has here, and remembers it; its layers stay as they are. Returns it, and the
    /// references of older builds that are forgotten.
    ///
    /// # Errors
    /// Those of `parts`, and when the folder cannot be written.
    pub fn take_in(
        &self,
        record: Record,
        parts: impl FnOnce() -> io::Result<Parts>,
    ) -> io::Result<(Record, Vec<String>)> {
        self.alone(|| {
            let record = Record { digest: self.write_manifest(&parts()?)?, ..record };
            let forgotten = self.remember(record.clone())?;
            Ok((record, forgotten))
        })
    }

    /// Remembers an image that its registry has. Returns the references of older builds that are forgotten.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn note(&self, record: Record) -> io::Result<Vec<String>> {
        self.alone(|| self.remember(record))
    }

    /// Works here while nobody else does: parts that no image needs yet would be removed.
    fn alone<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        fs::create_dir_all(self.blobs())?;
        let lock = File::options().create(true).truncate(false).write(true).open(self.folder.join("lock"))?;
        lock.lock()?;
        work()
    }

    /// Forgets older builds, and images whose folders are gone; removes the parts that no image needs.
    fn remember(&self, record: Record) -> io::Result<Vec<String>> {
        let mut records = self.read_records();
        let image = |record: &Record| (repository(&record.reference).to_owned(), record.context.clone());
        let same = image(&record);
        records.insert(key(&record.reference, &record.context), record);
        let mut builds: Vec<_> = records.values().filter(|record| image(record) == same).map(|one| one.built).collect();
        builds.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = builds.get(KEPT - 1).copied().unwrap_or(i64::MIN);
        let is_kept = |record: &Record| record.context.exists() && (image(record) != same || record.built >= oldest);
        let forgotten =
            records.values().filter(|record| !is_kept(record)).map(|record| record.reference.clone()).collect();
        records.retain(|_, record| is_kept(record));
        write_private(&self.records(), &serde_json::to_string_pretty(&records)?)?;
        self.remove_unneeded(records.values())?;
        Ok(forgotten)
    }

    fn remove_unneeded<'r>(&self, records: impl Iterator<Item = &'r Record>) -> io::Result<()> {
        let parts = records.filter_map(|record| self.parts(&record.digest).ok()).flatten();
        let needed: BTreeSet<_> = parts.map(|part| self.blob(&part.digest)).collect();
        for entry in fs::read_dir(self.blobs()).into_iter().flatten().flatten() {
            if !needed.contains(&entry.path()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Returns all that an image is made of: its manifest first.
    ///
    /// # Errors
    /// When part of it is not here.
    pub fn parts(&self, digest: &str) -> io::Result<Vec<Blob>> {
        let manifest: Value = serde_json::from_slice(&fs::read(self.blob(digest))?)?;
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let digests = [&manifest["config"]].into_iter().chain(layers).filter_map(|part| part["digest"].as_str());
        [digest].into_iter().chain(digests).map(|digest| self.part(digest)).collect()
    }

    fn part(&self, digest: &str) -> io::Result<Blob> {
        Ok(Blob { digest: digest.into(), size: fs::metadata(self.blob(digest))?.len() })
    }

    /// Writes the manifest of an image and returns its digest.
    fn write_manifest(&self, parts: &Parts) -> io::Result<String> {
        let describe = |part: &Blob, kind: &str| json!({"mediaType": kind, "digest": part.digest, "size": part.size});
        let layer = |part: &Blob| Ok(describe(part, layer_type(&self.blob(&part.digest))?));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": describe(&parts.config, CONFIG),
            "layers": parts.layers.iter().map(layer).collect::<io::Result<Vec<_>>>()?,
        });
        Ok(self.keep(manifest.to_string().as_bytes())?.digest)
    }

    /// Has these bytes as a part, and returns what names it.
    pub(super) fn keep(&self, mut bytes: impl Read) -> io::Result<Blob> {
        let mut file = tempfile::NamedTempFile::new_in(self.blobs())?;
        let mut writer = Summed::new(BufWriter::new(file.as_file_mut()));
        let size = io::copy(&mut bytes, &mut writer)?;
        let digest = format!("sha256:{}", writer.finish()?.1);
        file.persist(self.blob(&digest)).map_err(|error| error.error)?;
        Ok(Blob { digest, size })
    }

    /// Writes what a node lacks of these images into one archive that containerd imports: it takes the parts that are
    /// not in it from its own store.
    ///
    /// # Errors
    /// When it cannot be written, or a part is not here.
    pub fn archive(&self, images: &[&Image], there: &BTreeSet<String>, path: &Path) -> io::Result<ImageArchive> {
        let mut writer = Summed::new(BufWriter::new(File::create(path)?));
        let mut tar = tar::Builder::new(&mut writer);
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut tar, "index.json", index(images).to_string().as_bytes())?;
        let mut sent = BTreeSet::new();
        for image in images {
            // The manifest and the configuration are small, and say what the rest is.
            let lacking = |(at, part): &(usize, &Blob)| *at < 2 || !there.contains(&part.digest);
            for (_, part) in image.blobs.iter().enumerate().filter(lacking) {
                if sent.insert(&part.digest) {
                    let name = format!("blobs/sha256/{}", part.digest.trim_start_matches("sha256:"));
                    let mut header = header(part.size);
                    tar.append_data(&mut header, name, BufReader::new(File::open(self.blob(&part.digest))?))?;
                }
            }
        }
        tar.finish()?;
        drop(tar);
        let (_, sha256) = writer.finish()?;
        let names = images.iter().flat_map(|image| image.names.iter().cloned()).collect();
        Ok(ImageArchive { path: path.into(), sha256, size: fs::metadata(path)?.len(), names })
    }
}

fn key(reference: &str, context: &Path) -> String {
    format!("{reference} {}", context.display())
}

fn index(images: &[&Image]) -> Value {
    let entry = |image: &Image, name: &String| {
        let size = image.blobs.first().map_or(0, |manifest| manifest.size);
        json!({"mediaType": MANIFEST, "digest": image.digest, "size": size, "annotations": {NAME: name}})
    };
    let entries = images.iter().flat_map(|image| image.names.iter().map(|name| entry(image, name)));
    json!({"schemaVersion": 2, "manifests": entries.collect::<Vec<_>>()})
}

/// What the first bytes of a layer say that it is.
fn layer_type(path: &Path) -> io::Result<&'static str> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(match start[..] {
        [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ => LAYER,
    })
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

fn append(tar: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(bytes.len() as u64), name, bytes)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{effects::images::saved::Saved, model::hex::hex};

    /// An archive as Docker saves one: two layers, the second of which is there twice.
    fn saved(folder: &Path, layer: &str) -> PathBuf {
        let path = folder.join("saved.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        let manifest =
            r#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}]"#;
        append(&mut tar, "a/layer.tar", b"base").unwrap();
        append(&mut tar, "b/layer.tar", layer.as_bytes()).unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, "c/layer.tar", "../b/layer.tar").unwrap();
        append(&mut tar, "c.json", br#"{"architecture":"amd64"}"#).unwrap();
        append(&mut tar, "manifest.json", manifest.as_bytes()).unwrap();
        tar.finish().unwrap();
        path
    }

    fn take_in(layout: &Layout, folder: &Path, layer: &str, record: Record) -> (Record, Vec<String>) {
        let parts = || Saved::read(layout, &saved(folder, layer))?.parts();
        layout.take_in(record, parts).unwrap()
    }

    fn image(layout: &Layout, digest: &str) -> Image {
        Image {
            name: "web".into(),
            reference: "web:1".into(),
            names: vec!["docker.io/library/web:1".into()],
            digest: digest.into(),
            pushed: false,
            blobs: layout.parts(digest).unwrap(),
        }
    }

    fn record(context: &Path, number: i64) -> Record {
        Record {
            content: number.to_string(),
            reference: format!("web:{number}"),
            digest: String::new(),
            context: context.into(),
            built: number,
            latest: false,
            pushed: false,
        }
    }

    fn files(archive: &ImageArchive) -> Vec<String> {
        let mut tar = tar::Archive::new(File::open(&archive.path).unwrap());
        tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_node_is_sent_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().join("layout"));
        let take_in = |layer| take_in(&layout, folder.path(), layer, record(folder.path(), 1)).0.digest;
        let first = image(&layout, &take_in("one"));
        assert_eq!(first.blobs.len(), 5);
        let second = image(&layout, &take_in("two"));
        let there = first.blobs.iter().map(|blob| blob.digest.clone()).collect();
        let path = folder.path().join("archive.tar");
        let all = layout.archive(&[&second], &BTreeSet::new(), &path).unwrap();
        assert_eq!(files(&all).len(), 2 + 4, "the layer that is there twice is sent once");
        let rest = layout.archive(&[&second], &there, &path).unwrap();
        let names = files(&rest);
        let hexes: Vec<_> = [0, 1, 3].map(|at| second.blobs[at].digest.replace("sha256:", "blobs/sha256/")).into();
        assert_eq!(names[2..], hexes);
        assert_eq!(rest.sha256, hex(Sha256::digest(fs::read(&path).unwrap())));
        assert_eq!(rest.size, fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn what_no_image_needs_is_removed_and_what_is_not_whole_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().join("layout"));
        let one = take_in(&layout, folder.path(), "one", record(folder.path(), 1)).0;
        assert_eq!(layout.record("web:1", folder.path()).as_ref(), Some(&one));
        assert_eq!(layout.record("web:1", Path::new("/elsewhere")), None);
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        layout.note(Record { pushed: true, ..record(&other, 0) }).unwrap();
        let mut last = (one.clone(), Vec::new());
        for number in 2..=4 {
            assert_eq!(last.1, [""; 0]);
            last = take_in(&layout, folder.path(), &number.to_string(), record(folder.path(), number));
        }
        let (four, forgotten) = last;
        assert_eq!(forgotten, ["web:1"]);
        assert!(layout.parts(&one.digest).is_err());
        assert!(layout.record("web:0", &other).is_some());
        let left = fs::read_dir(layout.blobs()).unwrap().count();
        assert_eq!(left, 3 + 3 + 2, "manifests, layers of their own, and the configuration and the base of all");
        fs::remove_file(layout.blob(&layout.parts(&four.digest).unwrap()[3].digest)).unwrap();
        assert_eq!(layout.record("web:4", folder.path()), None);
    }
}

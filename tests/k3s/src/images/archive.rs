//! Importing: archives that `docker save` writes, and OCI layouts, plain or compressed.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead, BufReader, Read},
};

use orchestrator::model::image_name::canonical;
use serde_json::{Value, json};

use super::{Image, Images};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What is read into memory at most: the files that name the others.
const SMALL: u64 = 16 << 20;

impl Images {
    /// Imports every image of an archive and returns their names.
    ///
    /// # Errors
    /// In containerd's words, when the archive cannot be read or something it needs is neither in it nor here.
    pub fn import(&self, reader: impl Read + 'static) -> Result<Vec<String>, String> {
        let archive = Archive::unpack(self, plain(reader).map_err(|error| error.to_string())?);
        let archive = archive.map_err(|error| error.to_string())?;
        let images = match (archive.document("index.json"), archive.document("manifest.json")) {
            (Some(index), _) => self.layout(&index)?,
            (None, Some(manifests)) => self.saved(&archive, &manifests)?,
            (None, None) => return Err("unrecognized image format".into()),
        };
        let names = images.iter().map(|(name, _)| name.clone()).collect();
        self.change(|all| all.extend(images)).map_err(|error| error.to_string())?;
        Ok(names)
    }

    fn layout(&self, index: &Value) -> Result<Vec<(String, Image)>, String> {
        let mut images = Vec::new();
        for descriptor in index["manifests"].as_array().into_iter().flatten() {
            let Some(name) = name(descriptor) else { continue };
            let mut blobs = Vec::new();
            let digest = text(&descriptor["digest"]);
            let config = self.collect(&digest, &mut blobs)?;
            let media_type = descriptor["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
            images.push((name, Image { media_type, digest, config, blobs }));
        }
        Ok(images)
    }

    /// Adds everything that a manifest, or an index, needs to `blobs`; returns the configuration's digest.
    fn collect(&self, digest: &str, blobs: &mut Vec<String>) -> Result<String, String> {
        let missing = |digest: &str| format!("content digest {digest}: not found");
        let manifest = fs::read(self.blob(digest)).map_err(|_| missing(digest))?;
        let manifest: Value = serde_json::from_slice(&manifest).map_err(|error| error.to_string())?;
        blobs.push(digest.to_owned());
        if let Some(children) = manifest["manifests"].as_array() {
            let here = children.iter().filter(|child| self.blob(&text(&child["digest"])).exists());
            let configs: Vec<_> =
                here.map(|child| self.collect(&text(&child["digest"]), blobs)).collect::<Result<_, _>>()?;
            return configs.into_iter().next().ok_or_else(|| missing(digest));
        }
        let layers = manifest["layers"].as_array().into_iter().flatten().map(|layer| text(&layer["digest"]));
        let config = text(&manifest["config"]["digest"]);
        for part in std::iter::once(config.clone()).chain(layers) {
            if !self.blob(&part).exists() {
                return Err(missing(&part));
            }
            blobs.push(part);
        }
        Ok(config)
    }

    fn saved(&self, archive: &Archive, manifests: &Value) -> Result<Vec<(String, Image)>, String> {
        let mut images = Vec::new();
        for manifest in manifests.as_array().into_iter().flatten() {
            let part = |path: &Value| {
                let path = text(path);
                archive.blobs.get(&path).cloned().ok_or_else(|| format!("{path}: not found"))
            };
            let describe = |(digest, size): (String, u64)| json!({"digest": digest, "size": size});
            let config = part(&manifest["Config"])?;
            let layers = manifest["Layers"].as_array().into_iter().flatten().map(part);
            let layers: Vec<_> = layers.collect::<Result<_, _>>()?;
            let own = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "config": describe(config.clone()),
                "layers": layers.iter().cloned().map(describe).collect::<Vec<_>>(),
            });
            let kept = self.keep(own.to_string().as_bytes(), None).map_err(|error| error.to_string())?;
            let blobs: Vec<_> =
                [kept.0.clone(), config.0.clone()].into_iter().chain(layers.into_iter().map(|layer| layer.0)).collect();
            for tag in manifest["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let name =
                    canonical(tag).ok_or_else(|| format!("normalize image ref {tag:?}: invalid reference format"))?;
                let image = Image {
                    media_type: MANIFEST.into(),
                    digest: kept.0.clone(),
                    config: config.0.clone(),
                    blobs: blobs.clone(),
                };
                images.push((name, image));
            }
        }
        Ok(images)
    }
}

/// Returns the name that an index gives an image; a bare tag is not the name of anything.
fn name(descriptor: &Value) -> Option<String> {
    let annotations = &descriptor["annotations"];
    if let Some(name) = annotations["io.containerd.image.name"].as_str() {
        return Some(name.to_owned());
    }
    let reference = annotations["org.opencontainers.image.ref.name"].as_str()?;
    if reference.contains(['/', ':']) {
        return Some(reference.to_owned());
    }
    Some(format!("import-{}:{reference}", jiff::Timestamp::now().strftime("%Y-%m-%d")))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Undoes the compression that the first bytes tell of.
fn plain(reader: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let start = reader.fill_buf()?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(reader)));
    }
    if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Box::new(ruzstd::decoding::StreamingDecoder::new(reader).map_err(io::Error::other)?));
    }
    Ok(Box::new(reader))
}

/// What was in an archive: blobs are in the store already.
struct Archive {
    documents: HashMap<String, Vec<u8>>,
    /// Digest and size of every file, by its path.
    blobs: HashMap<String, (String, u64)>,
}

impl Archive {
    fn unpack(images: &Images, reader: impl Read) -> io::Result<Self> {
        let mut archive = Self { documents: HashMap::new(), blobs: HashMap::new() };
        let mut links = Vec::new();
        for entry in tar::Archive::new(reader).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            if let Some(target) = entry.link_name()? {
                links.push((path, target.to_string_lossy().trim_start_matches("../").to_owned()));
            } else if matches!(path.as_str(), "index.json" | "manifest.json" | "oci-layout" | "repositories") {
                let mut text = Vec::new();
                entry.by_ref().take(SMALL).read_to_end(&mut text)?;
                archive.documents.insert(path, text);
            } else if entry.header().entry_type().is_file() {
                let wanted = path.strip_prefix("blobs/sha256/").map(|digest| format!("sha256:{digest}"));
                let kept = images.keep(entry, wanted.as_deref())?;
                archive.blobs.insert(path, kept);
            }
        }
        for (path, target) in links {
            if let Some(kept) = archive.blobs.get(&target).cloned() {
                archive.blobs.insert(path, kept);
            }
        }
        Ok(archive)
    }

    fn document(&self, name: &str) -> Option<Value> {
        serde_json::from_slice(self.documents.get(name)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrator::model::hex::hex;
    use sha2::{Digest, Sha256};

    fn images() -> (tempfile::TempDir, Images) {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::open(folder.path(), "k8s.io");
        (folder, images)
    }

    fn digest(content: &[u8]) -> String {
        hex(Sha256::digest(content))
    }

    fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// An OCI layout with these layers, of which only the `given` are in the archive.
    fn layout(name: &str, layers: &[&str], given: &[&str]) -> Vec<u8> {
        let blob = |content: &[u8]| (format!("blobs/sha256/{}", digest(content)), content.to_vec());
        let describe = |content: &[u8]| json!({"digest": format!("sha256:{}", digest(content)), "size": content.len()});
        let manifest = json!({"config": describe(b"{}"), "layers": layers.iter().map(|layer| describe(layer.as_bytes())).collect::<Vec<_>>()});
        let manifest = manifest.to_string().into_bytes();
        let mut entry = describe(&manifest);
        entry["annotations"] = json!({"io.containerd.image.name": name});
        let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string().into_bytes();
        let mut files = vec![("index.json".to_owned(), index), blob(b"{}"), blob(&manifest)];
        files.extend(given.iter().map(|layer| blob(layer.as_bytes())));
        tar(&files)
    }

    #[test]
    fn blobs_that_are_here_need_not_be_in_the_archive() {
        let (_folder, images) = images();
        let import = |bytes: Vec<u8>| images.import(io::Cursor::new(bytes));
        let refused = import(layout("docker.io/library/web:2", &["base", "two"], &["two"])).unwrap_err();
        assert_eq!(refused, format!("content digest sha256:{}: not found", digest(b"base")));
        import(layout("docker.io/library/web:1", &["base", "one"], &["base", "one"])).unwrap();
        let names = import(layout("docker.io/library/web:2", &["base", "two"], &["two"])).unwrap();
        assert_eq!(names, ["docker.io/library/web:2"]);
        assert_eq!(images.list().len(), 2);
        let broken = tar(&[(format!("blobs/sha256/{}", digest(b"x")), b"y".to_vec())]);
        assert!(import(broken).unwrap_err().starts_with("unexpected commit digest"));
    }

    #[test]
    fn what_docker_saves_is_imported_with_full_names() {
        let (_folder, images) = images();
        let manifest = json!([{"Config": "c.json", "RepoTags": ["web:1", "ghcr.io/a/b:2"], "Layers": ["l/layer.tar"]}]);
        let files = [
            ("c.json", b"{}".to_vec()),
            ("l/layer.tar", b"layer".to_vec()),
            ("manifest.json", manifest.to_string().into_bytes()),
        ];
        let bytes = tar(&files.map(|(path, content)| (path.to_owned(), content)));
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut zipped, &bytes).unwrap();
        let names = images.import(io::Cursor::new(zipped.finish().unwrap())).unwrap();
        assert_eq!(names, ["docker.io/library/web:1", "ghcr.io/a/b:2"]);
    }
}

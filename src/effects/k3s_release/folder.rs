//! `[k3s] artifacts`: a folder with the files of one release.

use std::{fs, path::PathBuf};

use async_trait::async_trait;

use super::{K3sRelease, OnNews, Verified, architectures, archive_names, binary_name, checksums, list_name};
use crate::{
    failure::{ARTIFACTS_UNUSABLE, Failure},
    model::{Done, ReleaseFile, finding::Finding},
};

/// A folder that the user filled: `k3s`, `k3s-airgap-images-<arch>.tar[.gz|.zst]`, `sha256sum-<arch>.txt`.
pub struct FolderRelease {
    folder: PathBuf,
    verified: Verified,
}

impl FolderRelease {
    pub fn new(folder: PathBuf, verified: Verified) -> Self {
        Self { folder, verified }
    }

    fn unusable(&self, what: impl std::fmt::Display) -> Failure {
        let place = self.folder.display();
        Failure::new(&ARTIFACTS_UNUSABLE, format!("the K3s artifacts in {place} cannot be used: {what}"))
            .hint(format!("ls -l {place}"))
    }

    async fn verified(&self, name: &str, sums: &str) -> Result<ReleaseFile, Failure> {
        let path = self.folder.join(name);
        let (sha256, size) =
            self.verified.sha256(&path).await.map_err(|error| self.unusable(format!("{name}: {error}")))?;
        match checksums(sums).find(|(known, _)| *known == name) {
            None => Err(self.unusable(format!("the list of checksums has no {name}"))),
            Some((_, wanted)) if !wanted.eq_ignore_ascii_case(&sha256) => {
                let why = format!("its SHA-256 is {sha256}, the list of checksums says {wanted}");
                Err(self.unusable(format!("{name} is damaged or of another release")).because(why))
            }
            Some(_) => Ok(ReleaseFile { name: name.into(), path, sha256, size }),
        }
    }
}

#[async_trait(?Send)]
impl K3sRelease for FolderRelease {
    async fn fetch(&self, _: &str, arch: &str, _: OnNews<'_>) -> Result<Done<Vec<ReleaseFile>>, Failure> {
        let list = list_name(arch);
        let sums =
            fs::read_to_string(self.folder.join(&list)).map_err(|error| self.unusable(format!("{list}: {error}")))?;
        let mut files = vec![self.verified(binary_name(arch), &sums).await?];
        if let Some(archive) = archive_names(arch).iter().find(|name| self.folder.join(name).exists()) {
            files.push(self.verified(archive, &sums).await?);
        }
        Ok(Done::Unchanged(files))
    }

    fn look(&self, version: &str) -> Option<Finding> {
        let place = self.folder.display();
        let mut found = architectures(&self.folder);
        if found.is_empty() {
            found.push("amd64".into());
        }
        let here = |name: &str| self.folder.join(name).is_file();
        let missing = |arch: &String| [list_name(arch), binary_name(arch).into()].into_iter().find(|name| !here(name));
        if let Some(name) = found.iter().find_map(missing) {
            let fix = format!("fetch {name} of K3s {version} from https://github.com/k3s-io/k3s/releases");
            return Some(Finding::problem(format!("the K3s artifacts in {place} have no {name}"), Some(fix)));
        }
        let without_images = |arch: &&String| !archive_names(arch).iter().any(|name| here(name));
        Some(match found.iter().find(without_images) {
            Some(arch) => Finding::warning(
                format!("the K3s artifacts in {place} have no images for {arch}: nodes pull them from the internet"),
                format!(
                    "fetch {} of K3s {version} from https://github.com/k3s-io/k3s/releases",
                    archive_names(arch)[0]
                ),
            ),
            None => Finding::ok(format!("the K3s artifacts for {} are in {place}", found.join(", "))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: OnNews<'static> = &|_| {};
    /// Of the text `binary`.
    const SUM: &str = "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd";

    async fn fetch(files: &[(&str, &str)]) -> Result<Vec<ReleaseFile>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        FolderRelease::new(folder.path().into(), Verified::new(None))
            .fetch("v1.33.5+k3s1", "amd64", NOTHING)
            .await
            .map(Done::into_inner)
    }

    #[tokio::test]
    async fn files_are_what_the_checksums_say() {
        let sums = format!("{SUM}  k3s\n{SUM}  k3s-airgap-images-amd64.tar.gz\n");
        let files = [("k3s", "binary"), ("k3s-airgap-images-amd64.tar.gz", "binary"), ("sha256sum-amd64.txt", &sums)];
        let names: Vec<_> = fetch(&files).await.unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["k3s", "k3s-airgap-images-amd64.tar.gz"]);
        let damaged = [("k3s", "other"), ("sha256sum-amd64.txt", &sums)];
        assert!(fetch(&damaged).await.unwrap_err().to_string().contains("damaged"));
        assert!(fetch(&[("k3s", "binary")]).await.unwrap_err().to_string().contains("sha256sum-amd64.txt"));
    }

    #[tokio::test]
    async fn files_that_were_verified_before_are_not_read_again() {
        let place = tempfile::tempdir().unwrap();
        let (folder, verified) = (place.path().join("k3s"), Verified::new(Some(&place.path().join("cache"))));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("k3s"), "binary").unwrap();
        fs::write(folder.join("sha256sum-amd64.txt"), format!("{SUM}  k3s\n")).unwrap();
        let release = FolderRelease::new(folder.clone(), verified.clone());
        release.fetch("v1.33.5+k3s1", "amd64", NOTHING).await.unwrap();
        verified.know(&folder.join("k3s"), "what the memory says");
        let failure = release.fetch("v1.33.5+k3s1", "amd64", NOTHING).await.unwrap_err();
        assert!(failure.to_string().contains("what the memory says"), "{failure}");
    }
}

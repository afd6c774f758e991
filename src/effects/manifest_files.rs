//! The manifest files of a stack on this computer.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::{Failure, MANIFEST_INVALID};

/// Reads a file, or the `.yaml`, `.yml` and `.json` files of a folder and the folders in it, sorted by path.
///
/// # Errors
/// When something cannot be read, is no UTF-8, or when there is no manifest at all.
pub fn read(path: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut files = Vec::new();
    collect(path, &mut files).map_err(|error| unreadable(path, &error))?;
    files.sort();
    if files.is_empty() {
        let what = format!("{} holds no manifest", path.display());
        return Err(Failure::new(&MANIFEST_INVALID, what).hint("put at least one .yaml file there"));
    }
    files
        .into_iter()
        .map(|file| match fs::read_to_string(&file) {
            Ok(text) => Ok((file, text)),
            Err(error) => Err(unreadable(&file, &error)),
        })
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.into());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let manifest =
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
        if !hidden && (path.is_dir() || manifest) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(&MANIFEST_INVALID, format!("cannot read {}", path.display()))
        .because(error)
        .hint("correct `manifests` of the stack in orchestrator.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_in_order_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.yml", "a.yaml", "README.md", ".hidden.yaml", "sub/c.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, name).expect("written");
        }
        let found: Vec<_> = read(folder.path()).expect("read").into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, ["a.yaml", "b.yml", "sub/c.json"]);
        assert!(read(&folder.path().join("none")).is_err());
    }
}

//! The files of a stack on this computer.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::{Failure, MANIFEST_INVALID};

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads the manifest at `path`, or every manifest below it, by name.
///
/// # Errors
/// When a file cannot be read, or there is none.
pub fn read(path: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let unreadable = |path: &Path, because: &dyn std::fmt::Display| {
        Failure::new(&MANIFEST_INVALID, format!("cannot read the manifests in {}", path.display())).because(because)
    };
    let mut paths = Vec::new();
    collect(path, &mut paths).map_err(|error| unreadable(path, &error))?;
    paths.sort();
    if paths.is_empty() {
        return Err(unreadable(path, &"there is no .yaml, .yml or .json file"));
    }
    let read = |file: PathBuf| match fs::read_to_string(&file) {
        Ok(text) => Ok((file, text)),
        Err(error) => Err(unreadable(&file, &error)),
    };
    paths.into_iter().map(read).collect()
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        paths.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let manifest = path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        if !hidden && (path.is_dir() || manifest) {
            collect(&path, paths)?;
        }
    }
    Ok(())
}

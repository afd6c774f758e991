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

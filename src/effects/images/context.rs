//! The folder that an image is built from, and the hash of what is in it.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use super::{dockerignore::Dockerignore, summed::Summed};

/// What is hashed, and in what way: another way gives other hashes.
const WAY: &[u8] = b"orchestrator build context 1\n";
/// Sent to the builder whatever `.dockerignore` says.
const DOCKERFILE: &str = "Dockerfile";

/// Returns the SHA-256 of everything in the folder that the builder gets to see, in hexadecimal: names, contents, which
/// files can be run and where links lead. Times and owners do not count.
///
/// # Errors
/// When there is no Dockerfile in it, or something in it cannot be read.
pub fn content(folder: &Path) -> io::Result<String> {
    let dockerfile = folder.join(DOCKERFILE);
    if !dockerfile.is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {}", dockerfile.display())));
    }
    let ignore = match fs::read_to_string(folder.join(".dockerignore")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Dockerignore::default(),
        text => Dockerignore::parse(&text.map_err(|error| about(&folder.join(".dockerignore"), &error))?),
    };
    let mut hash = Summed::new(io::sink());
    hash.write_all(WAY)?;
    add_folder(&mut hash, folder, "", &ignore)?;
    hash.finish().map(|(_, sum)| sum)
}

fn add_folder(hash: &mut impl Write, folder: &Path, inside: &str, ignore: &Dockerignore) -> io::Result<()> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| about(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let path = if inside.is_empty() {
            name.to_string_lossy().into()
        } else {
            format!("{inside}/{}", name.to_string_lossy())
        };
        let ignored = ignore.ignores(&path) && path != DOCKERFILE;
        let mut add = || -> io::Result<()> {
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                if !ignored {
                    add_name(hash, b'd', &path)?;
                }
                return if ignored && ignore.only_ignores() {
                    Ok(())
                } else {
                    add_folder(hash, &entry.path(), &path, ignore)
                };
            }
            if ignored {
                return Ok(());
            }
            if metadata.is_symlink() {
                add_name(hash, b'l', &path)?;
                let target = fs::read_link(entry.path())?;
                add_bytes(hash, target.as_os_str().as_bytes())?;
            } else if metadata.is_file() {
                add_name(hash, if metadata.permissions().mode() & 0o111 == 0 { b'f' } else { b'x' }, &path)?;
                hash.write_all(&metadata.len().to_le_bytes())?;
                io::copy(&mut File::open(entry.path())?, hash)?;
            }
            Ok(())
        };
        add().map_err(|error| about(&entry.path(), &error))?;
    }
    Ok(())
}

fn add_name(hash: &mut impl Write, kind: u8, path: &str) -> io::Result<()> {
    hash.write_all(&[kind])?;
    add_bytes(hash, path.as_bytes())
}

fn add_bytes(hash: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    hash.write_all(&bytes.len().to_le_bytes())?;
    hash.write_all(bytes)
}

/// An error that names the file; one that does already stays as it is.
fn about(path: &Path, error: &io::Error) -> io::Error {
    if error.get_ref().is_some() {
        return io::Error::new(error.kind(), error.to_string());
    }
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM scratch").unwrap();
        fs::write(folder.path().join("src/main.rs"), "fn main() {}").unwrap();
        folder
    }

    #[test]
    fn equal_folders_have_equal_hashes_whatever_their_times() {
        let (one, two) = (folder(), folder());
        assert_eq!(content(one.path()).unwrap(), content(two.path()).unwrap());
    }

    #[test]
    fn whatever_the_builder_sees_counts() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let mut hashes = vec![content(folder.path()).unwrap()];
        let mut changed = |what: &str| {
            let hash = content(folder.path()).unwrap();
            assert!(!hashes.contains(&hash), "{what}");
            hashes.push(hash);
        };
        fs::write(path("src/main.rs"), "fn main() { }").unwrap();
        changed("a file's content");
        fs::rename(path("src/main.rs"), path("src/lib.rs")).unwrap();
        changed("a name");
        fs::set_permissions(path("src/lib.rs"), fs::Permissions::from_mode(0o755)).unwrap();
        changed("who may run it");
        symlink("lib.rs", path("src/link")).unwrap();
        changed("a link");
        fs::create_dir(path("empty")).unwrap();
        changed("a folder");
    }

    #[test]
    fn what_is_ignored_does_not_count_but_the_dockerfile_does() {
        let folder = folder();
        fs::write(folder.path().join(".dockerignore"), "target\nDockerfile\n.dockerignore\n").unwrap();
        let before = content(folder.path()).unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::write(folder.path().join("target/x"), "x").unwrap();
        assert_eq!(content(folder.path()).unwrap(), before);
        fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY src /").unwrap();
        assert_ne!(content(folder.path()).unwrap(), before);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = content(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("/Dockerfile"), "{error}");
    }
}

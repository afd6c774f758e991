//! Which release this binary plays.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use orchestrator::model::hex::hex;
use sha2::{Digest, Sha256};

const DEFAULT: &str = "v1.33.5+k3s1";
const MARK: &str = "\nK3S-STAND-IN-VERSION=";
/// How much of the end of the binary is looked at, in bytes.
const TAIL: i64 = 128;

/// Returns the release that this binary plays: [`DEFAULT`], unless a trailer at its end names another one.
pub fn current() -> String {
    tail().ok().and_then(|tail| trailer(&tail)).unwrap_or_else(|| DEFAULT.into())
}

/// Returns the eight letters that K3s prints behind a release.
pub fn commit(version: &str) -> String {
    digest(version)[..8].to_owned()
}

/// Returns the name of the folder that K3s unpacks itself into.
pub fn digest(version: &str) -> String {
    hex(Sha256::digest(version))
}

fn tail() -> std::io::Result<Vec<u8>> {
    let mut file = File::open("/proc/self/exe")?;
    file.seek(SeekFrom::End(-TAIL))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

fn trailer(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    let version = text.rsplit_once(MARK)?.1.trim_end();
    version.starts_with('v').then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_trailer_names_the_release() {
        assert_eq!(trailer(b"\x7fELF\0"), None);
        let twice = b"\0\nK3S-STAND-IN-VERSION=v1.34.1+k3s1\n\nK3S-STAND-IN-VERSION=v1.35.0+k3s1\n";
        assert_eq!(trailer(twice).as_deref(), Some("v1.35.0+k3s1"));
    }
}

//! Which host keys are known: the files of OpenSSH, with its rules.
//!
//! Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

mod line;
mod write;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::SshError;
use line::{Line, Marker};
pub use line::{hostname_matches, list_matches, wildcard_matches};
pub use write::add;

/// What the files say of one host.
#[derive(Debug, Clone, Default)]
pub struct KnownHost {
    entries: Vec<Entry>,
    /// Lines that are no entries, as `file:line`.
    pub skipped: Vec<String>,
}

#[derive(Debug, Clone)]
struct Entry {
    marker: Option<Marker>,
    /// Found under the name without its port.
    portless: bool,
    algorithm: String,
    blob: Vec<u8>,
    file: PathBuf,
    line: usize,
}

/// Whether a key may be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Known,
    Unknown,
    /// Another key is known: its wire form, and where it is written.
    Changed {
        known: Vec<u8>,
        file: PathBuf,
        line: usize,
    },
    Revoked {
        file: PathBuf,
        line: usize,
    },
}

impl KnownHost {
    /// Collects what `files` say of `host` at `port`. A file that is not there says nothing.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn read(files: &[PathBuf], host: &str, port: u16) -> Result<Self, SshError> {
        let mut known = Self::default();
        for file in files {
            match fs::read(file) {
                Ok(text) => known.collect(file, &String::from_utf8_lossy(&text), host, port),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(SshError::KnownHosts { file: file.clone(), because: error.to_string() });
                }
            }
        }
        Ok(known)
    }

    fn collect(&mut self, file: &Path, text: &str, host: &str, port: u16) {
        let host = host.to_lowercase();
        let name = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
        for (number, text) in (1..).zip(text.lines()) {
            let line = match Line::parse(text) {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(()) => {
                    self.skipped.push(format!("{}:{number}", file.display()));
                    continue;
                }
            };
            let exact = line.names(&name);
            if exact || port != 22 && line.names(&host) {
                self.entries.push(Entry {
                    marker: line.marker,
                    portless: !exact,
                    algorithm: line.algorithm,
                    blob: line.blob,
                    file: file.to_owned(),
                    line: number,
                });
            }
        }
    }

    /// The key algorithms that are known for the host, such as `ssh-ed25519`: what to ask the machine for first.
    pub fn algorithms(&self) -> Vec<&str> {
        self.keys().filter(|entry| !entry.portless).map(|entry| entry.algorithm.as_str()).collect()
    }

    /// Whether a certificate authority vouches for the host.
    pub fn has_authority(&self) -> bool {
        self.entries.iter().any(|entry| entry.marker == Some(Marker::Authority))
    }

    /// Judges a bare key, given in its wire form.
    pub fn judge(&self, blob: &[u8]) -> Verdict {
        if let Some(revoked) = self.revoked(blob) {
            return revoked;
        }
        if self.keys().any(|entry| entry.blob == blob) {
            return Verdict::Known;
        }
        // A key of another algorithm is a change too: whoever sits in between chooses which one they show.
        match self.keys().find(|entry| !entry.portless) {
            Some(entry) => Verdict::Changed { known: entry.blob.clone(), file: entry.file.clone(), line: entry.line },
            None => Verdict::Unknown,
        }
    }

    /// Judges a certificate by its key and by the key of the authority that signed it.
    pub fn judge_certificate(&self, blob: &[u8], authority: &[u8]) -> Verdict {
        if let Some(revoked) = self.revoked(blob).or_else(|| self.revoked(authority)) {
            return revoked;
        }
        let trusted = |entry: &Entry| entry.marker == Some(Marker::Authority) && entry.blob == authority;
        if self.entries.iter().any(trusted) { Verdict::Known } else { self.judge(blob) }
    }

    fn keys(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.marker.is_none())
    }

    fn revoked(&self, blob: &[u8]) -> Option<Verdict> {
        let revoked = |entry: &&Entry| entry.marker == Some(Marker::Revoked) && entry.blob == blob;
        let entry = self.entries.iter().find(revoked)?;
        Some(Verdict::Revoked { file: entry.file.clone(), line: entry.line })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    /// A blob in the shape of the wire form: the algorithm's name, then bytes.
    fn blob(algorithm: &str, key: u8) -> Vec<u8> {
        let length = u32::try_from(algorithm.len()).unwrap().to_be_bytes();
        [&length, algorithm.as_bytes(), &[0, 0, 0, 1, key]].concat()
    }

    fn entry(names: &str, algorithm: &str, key: u8) -> String {
        format!("{names} {algorithm} {}", STANDARD.encode(blob(algorithm, key)))
    }

    fn known(text: &str, host: &str, port: u16) -> KnownHost {
        let mut known = KnownHost::default();
        known.collect(Path::new("known_hosts"), text, host, port);
        known
    }

    #[track_caller]
    fn case(text: &str, host: &str, port: u16, expected: &str) {
        let verdict = match known(text, host, port).judge(&blob("ssh-ed25519", 1)) {
            Verdict::Known => "known".to_owned(),
            Verdict::Unknown => "unknown".to_owned(),
            Verdict::Changed { line, .. } => format!("changed {line}"),
            Verdict::Revoked { line, .. } => format!("revoked {line}"),
        };
        assert_eq!(verdict, expected, "{text}");
    }

    #[test]
    fn plain_names_ports_and_patterns() {
        let line = |names| entry(names, "ssh-ed25519", 1);
        case(&line("a.example"), "a.example", 22, "known");
        case(&line("a.example"), "A.Example", 22, "known");
        case(&line("a.example,10.0.0.4"), "10.0.0.4", 22, "known");
        case(&line("a.example"), "b.example", 22, "unknown");
        case(&line("[a.example]:2222"), "a.example", 2222, "known");
        case(&line("[a.example]:2222"), "a.example", 22, "unknown");
        case(&line("[a.example]:2222"), "a.example", 2223, "unknown");
        case(&line("*.example"), "a.example", 22, "known");
        case(&line("*.example,!a.example"), "a.example", 22, "unknown");
        case(&line("!a.example,*.example"), "a.example", 22, "unknown");
        case(&line("10.0.0.?"), "10.0.0.4", 22, "known");
        case(&line("10.0.0.?"), "10.0.0.44", 22, "unknown");
        case(&line("[*.example]:*"), "a.example", 2222, "known");
    }

    #[test]
    fn the_name_without_its_port_vouches_but_does_not_contradict() {
        case(&entry("a", "ssh-ed25519", 1), "a", 2222, "known");
        case(&entry("a", "ssh-ed25519", 2), "a", 2222, "unknown");
    }

    #[test]
    fn several_keys_of_one_host_are_all_good() {
        let text = [entry("a", "ssh-ed25519", 2), entry("a", "ssh-ed25519", 1)].join("\n");
        case(&text, "a", 22, "known");
    }

    #[test]
    fn a_key_of_another_algorithm_is_a_change() {
        case(&entry("a", "ssh-ed25519", 2), "a", 22, "changed 1");
        case(&format!("# old\n{}", entry("a", "ssh-rsa", 2)), "a", 22, "changed 2");
        let known = known(&entry("a", "ssh-rsa", 2), "a", 22);
        assert_eq!(known.algorithms(), ["ssh-rsa"]);
    }

    #[test]
    fn a_revoked_key_stays_so_wherever_else_it_is_written() {
        let revoked = format!("@revoked {}", entry("*", "ssh-ed25519", 1));
        case(&format!("{}\n{revoked}", entry("a", "ssh-ed25519", 1)), "a", 22, "revoked 2");
    }

    #[test]
    fn an_authority_vouches_for_certificates_alone() {
        let text = format!("@cert-authority {}", entry("*.example", "ssh-ed25519", 9));
        let known = known(&text, "a.example", 22);
        let (key, authority) = (blob("ssh-ed25519", 1), blob("ssh-ed25519", 9));
        assert_eq!(known.judge_certificate(&key, &authority), Verdict::Known);
        assert_eq!(known.judge_certificate(&key, &blob("ssh-ed25519", 8)), Verdict::Unknown);
        assert_eq!(known.judge(&authority), Verdict::Unknown);
        assert!(known.has_authority());
    }

    #[test]
    fn tabs_comments_and_garbage() {
        let line = entry("a", "ssh-ed25519", 1).replace(' ', "\t");
        case(&format!("  {line}\tme@home and more"), "a", 22, "known");
        let known = known(&format!("\n# c\nrubbish\na ssh-ed25519 ???\n{line}"), "a", 22);
        assert_eq!(known.skipped, ["known_hosts:3", "known_hosts:4"]);
        assert_eq!(known.judge(&blob("ssh-ed25519", 1)), Verdict::Known);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_a_missing_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(KnownHost::read(&[folder.path().join("none")], "a", 22).is_ok());
        let error = KnownHost::read(&[folder.path().to_owned()], "a", 22).unwrap_err();
        assert!(matches!(error, SshError::KnownHosts { .. }), "{error}");
    }
}

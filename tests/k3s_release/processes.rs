//! Several processes, and one that is killed: each is this test's own program again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use orchestrator::effects::k3s_release::{News, download::Patience};
use rustix::process::getuid;

use crate::{
    place::{Place, fetch},
    server::{ARCHIVE, Answer, BINARY, LIST, Server},
};

const CACHE: &str = "TEST_CACHE";
const SERVER: &str = "TEST_SERVER";
/// The first words of the line with which a process ends.
const ENDED: &str = "ended: ";

#[test]
#[ignore = "the other tests run it, as a process of its own"]
fn a_process_that_fetches() {
    let variable = |name| std::env::var(name).expect("the other tests run this");
    let tell = |news| {
        if let News::Waiting(seen) = news {
            println!("{seen}");
        }
    };
    let fetched = fetch(Path::new(&variable(CACHE)), &variable(SERVER), Patience::default(), &tell);
    match fetched {
        Ok(done) => println!("{ENDED}{}", if done.changed() { "changed" } else { "unchanged" }),
        Err(failure) => println!("{ENDED}{} {failure}; next: {}", failure.id, failure.hint.as_ref().unwrap()),
    }
}

/// A process under way; killed when the test forgets it.
struct Running {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Running {
    /// Starts one below the words `before`.
    fn start(before: &[&str], place: &Place, server: &str, variables: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().unwrap();
        let words = ["--ignored", "--exact", "--nocapture", "processes::a_process_that_fetches"];
        let mut command = match before {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        let output = tempfile::NamedTempFile::new().unwrap();
        command.args(words).env(CACHE, place.cache()).env(SERVER, server).envs(variables.iter().copied());
        command.stdout(output.reopen().unwrap()).stderr(Stdio::inherit());
        Self { child: command.spawn().unwrap(), output }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.output.path()).unwrap()
    }

    /// Returns how it ended.
    #[track_caller]
    fn ended(mut self) -> String {
        eventually("a process to end", || self.child.try_wait().unwrap().is_some());
        let said = self.said();
        let at = said.find(ENDED).unwrap_or_else(|| panic!("it says only:\n{said}"));
        said[at + ENDED.len()..].lines().next().unwrap().into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_two_processes_at_once_one_fetches_and_the_other_waits_for_it() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    server.answer(BINARY, &[Answer::Held]);
    let first = Running::start(&[], &place, &server.address, &[]);
    eventually("a request", || !server.asked_for(BINARY).is_empty());
    let second = Running::start(&[], &place, &server.address, &[]);
    let holder = format!("process {} (`orchestrator`) is fetching K3s", first.child.id());
    eventually("the second to wait", || second.said().contains(&holder));
    server.open();
    assert_eq!((first.ended(), second.ended()), ("changed".into(), "unchanged".into()));
    assert_eq!(server.asked().len(), 3);
    assert!(!place.has_all_of(&server));
}

#[test]
fn what_a_killed_process_left_is_continued_by_the_next() {
    let (server, place) = (Server::new(5_000_000, 1_000), Place::new());
    server.answer(BINARY, &[Answer::Silent(3_000_000)]);
    let mut killed = Running::start(&[], &place, &server.address, &[]);
    eventually("a part", || fs::metadata(place.part()).is_ok_and(|part| part.len() >= 1_000_000));
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(!place.path(BINARY).exists() && !place.path(LIST).exists());
    assert!(place.has_all_of(&server));
    let asked = server.asked_for(BINARY);
    assert!(asked.len() == 2 && asked[1] >= Some(1_000_000), "{asked:?}");
}

#[test]
fn a_holder_that_is_killed_lets_the_waiting_process_go_on() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    server.answer(BINARY, &[Answer::Held]);
    let mut first = Running::start(&[], &place, &server.address, &[]);
    eventually("a request", || !server.asked_for(BINARY).is_empty());
    let second = Running::start(&[], &place, &server.address, &[]);
    eventually("the second to wait", || second.said().contains("is fetching K3s"));
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert_eq!(second.ended(), "changed");
    assert_eq!(server.asked_for(ARCHIVE).len() + server.asked_for(BINARY).len(), 3);
}

/// What takes from a process the right of root to write where it may not.
fn without_privilege() -> &'static [&'static str] {
    let rights: &[&str] = &["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
    if getuid().is_root() { rights } else { &[] }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_cache_that_cannot_be_written_is_used_when_it_is_complete() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    place.has_all_of(&server);
    fs::remove_file(place.cache().join("verified.json")).unwrap();
    let folders = [place.cache(), place.path("")];
    for folder in &folders {
        set_mode(folder, 0o555);
    }
    let ended = Running::start(without_privilege(), &place, &server.address, &[]).ended();
    for folder in &folders {
        set_mode(folder, 0o755);
    }
    assert_eq!(ended, "unchanged");
    assert!(!place.cache().join("verified.json").exists());
}

#[test]
fn a_cache_that_cannot_be_written_is_named_when_something_is_missing() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    fs::create_dir(place.cache()).unwrap();
    set_mode(&place.cache(), 0o555);
    let ended = Running::start(without_privilege(), &place, &server.address, &[]).ended();
    set_mode(&place.cache(), 0o755);
    assert!(ended.starts_with("PRE-019") && ended.contains("Permission denied"), "{ended}");
    assert!(ended.contains("next: XDG_CACHE_HOME="), "{ended}");
    assert_eq!(server.asked(), []);
}

#[test]
fn a_full_disk_is_named() {
    let (server, place) = (Server::new(5_000_000, 1_000), Place::new());
    fs::create_dir(place.cache()).unwrap();
    let script = "mount -t tmpfs -o size=2m none \"$TEST_CACHE\" && exec \"$@\"";
    let own_mounts: &[&str] = if getuid().is_root() { &["unshare", "-m"] } else { &["unshare", "-rm"] };
    let words = [own_mounts, &["sh", "-c", script, "sh"]].concat();
    let ended = Running::start(&words, &place, &server.address, &[]).ended();
    assert!(ended.starts_with("PRE-019") && ended.contains("No space left on device"), "{ended}");
    assert!(ended.contains("next: df -h "), "{ended}");
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    let proxy = [("HTTP_PROXY", server.address.as_str()), ("http_proxy", ""), ("NO_PROXY", ""), ("no_proxy", "")];
    let ended = Running::start(&[], &place, "http://k3s.test/releases", &proxy).ended();
    assert_eq!(ended, "changed");
    assert_eq!(server.asked()[0].uri, format!("http://k3s.test/releases/v1.33.5%2Bk3s1/{LIST}"));
}

#[test]
fn a_computer_without_ca_certificates_is_told_so() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    let none = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")];
    let ended = Running::start(&[], &place, &server.address, &none).ended();
    assert!(ended.starts_with("PRE-008") && ended.ends_with("next: sudo apt install ca-certificates"), "{ended}");
}

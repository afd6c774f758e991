//! Files for machines.

use std::{
    cell::{Cell, RefCell},
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use orchestrator::effects::ssh::{As, Ssh, SshError, Upload};
use orchestrator::model::Done;

use crate::server::{Place, on_one_thread, sha256};

async fn send(ssh: &Ssh, source: &Path, path: &Path) -> Result<Done<()>, SshError> {
    let path = path.display().to_string();
    ssh.upload(Upload { source, sha256: &sha256(source), path: &path, mode: 0o755 }, &|_| ()).await
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_arrives_whole_with_its_mode_and_is_left_alone_when_it_is_there() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let (source, path) = (place.path("source"), place.path("to/it's a \"file\""));
    fs::write(&source, bytes(3_000_000)).unwrap();
    on_one_thread(async {
        let sent = Cell::new(0);
        let (text, sum) = (path.display().to_string(), sha256(&source));
        let upload = Upload { source: &source, sha256: &sum, path: &text, mode: 0o755 };
        assert!(ssh.upload(upload, &|count| sent.set(count)).await.unwrap().changed());
        assert_eq!(sent.get(), 3_000_000);
        assert!(fs::read(&path).unwrap() == bytes(3_000_000));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(names(&place.path("to")), ["it's a \"file\""]);
        assert!(!send(&ssh, &source, &path).await.unwrap().changed());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(send(&ssh, &source, &path).await.unwrap().changed());
        fs::write(&source, bytes(2_999_999)).unwrap();
        assert!(send(&ssh, &source, &path).await.unwrap().changed());
        assert!(fs::read(&path).unwrap() == bytes(2_999_999));
    });
}

#[test]
fn a_machine_without_openssl_sums_up_what_it_receives_all_the_same() {
    let place = Place::new();
    let programs = place.path("programs");
    fs::create_dir(&programs).unwrap();
    for program in fs::read_dir("/usr/bin").unwrap().map(Result::unwrap) {
        if program.file_name() != "openssl" {
            std::os::unix::fs::symlink(program.path(), programs.join(program.file_name())).unwrap();
        }
    }
    let server = place.server(&format!("SetEnv PATH={}", programs.display()));
    let ssh = place.ssh(&server);
    let (source, path) = (place.path("source"), place.path("there"));
    fs::write(&source, bytes(3_000_000)).unwrap();
    on_one_thread(async {
        let found = ssh.run(As::Root, "command -v openssl || command -v sha256sum", "").await.unwrap();
        assert_eq!(found.stdout, format!("{}/sha256sum\n", programs.display()).into_bytes());
        assert!(send(&ssh, &source, &path).await.unwrap().changed());
        assert!(fs::read(&path).unwrap() == bytes(3_000_000));
        assert!(!send(&ssh, &source, &path).await.unwrap().changed());
    });
}

#[test]
fn an_empty_file_is_a_file() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    fs::write(place.path("source"), "").unwrap();
    on_one_thread(send(&ssh, &place.path("source"), &place.path("there"))).unwrap();
    assert_eq!(fs::read(place.path("there")).unwrap(), b"");
}

#[test]
fn an_upload_that_is_cut_short_leaves_the_old_file_and_is_done_anew() {
    let place = Place::new();
    let mut server = place.server("");
    let ssh = place.ssh(&server);
    let (source, path) = (place.path("source"), place.path("to/there"));
    fs::create_dir(place.path("to")).unwrap();
    fs::write(&path, "old").unwrap();
    fs::write(&source, bytes(60_000_000)).unwrap();
    on_one_thread(async {
        let begun = tokio::sync::Notify::new();
        let (text, sum) = (path.display().to_string(), sha256(&source));
        let upload = Upload { source: &source, sha256: &sum, path: &text, mode: 0o644 };
        let on_sent = |_| begun.notify_one();
        let sending = ssh.upload(upload, &on_sent);
        let killing = async {
            begun.notified().await;
            server.kill();
        };
        let (result, ()) = tokio::join!(sending, killing);
        assert!(result.unwrap_err().heals());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        server.start();
        assert!(send(&ssh, &source, &path).await.unwrap().changed());
        assert!(fs::read(&path).unwrap() == bytes(60_000_000));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(names(&place.path("to")), ["there"]);
    });
}

#[test]
fn the_connection_lost_in_the_middle_is_made_again_and_the_file_sent_again() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let (source, path) = (place.path("source"), place.path("there"));
    fs::write(&source, bytes(30_000_000)).unwrap();
    on_one_thread(async {
        let cut = Cell::new(false);
        let (text, sum) = (path.display().to_string(), sha256(&source));
        let upload = Upload { source: &source, sha256: &sum, path: &text, mode: 0o644 };
        let on_sent = |_| {
            if !cut.replace(true) {
                for child in crate::server::children(server.pid()) {
                    let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
                }
            }
        };
        assert!(ssh.upload(upload, &on_sent).await.unwrap().changed());
    });
    assert!(fs::read(&path).unwrap() == bytes(30_000_000));
}

#[test]
fn a_receiver_that_was_left_behind_disturbs_nobody_when_it_ends() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let (source, path) = (place.path("source"), place.path("to/there"));
    fs::write(&source, bytes(60_000_000)).unwrap();
    // Its sender is gone without a word: it waits for bytes that do not come.
    let receive = concat!(env!("CARGO_MANIFEST_DIR"), "/src/effects/ssh/receive.sh");
    let mut left = Command::new("sh")
        .arg(receive)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut to_left = left.stdin.take().unwrap();
    writeln!(to_left, "{}\n755\n{}\n{}", path.display(), 60_000_000, sha256(&source)).unwrap();
    let mut said = String::new();
    BufReader::new(left.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "send\n");
    to_left.write_all(&bytes(20_000_000)).unwrap();

    on_one_thread(async {
        let to_left = Cell::new(Some(to_left));
        let left = RefCell::new(left);
        let (text, sum) = (path.display().to_string(), sha256(&source));
        let upload = Upload { source: &source, sha256: &sum, path: &text, mode: 0o755 };
        let on_sent = |_| {
            if to_left.take().is_some() {
                assert!(!left.borrow_mut().wait().unwrap().success());
            }
        };
        assert!(ssh.upload(upload, &on_sent).await.unwrap().changed());
    });
    assert!(fs::read(&path).unwrap() == bytes(60_000_000));
    assert_eq!(names(&place.path("to")), ["there"]);
}

#[test]
fn what_cannot_be_put_says_why() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let source = place.path("source");
    fs::write(&source, "content").unwrap();
    on_one_thread(async {
        let because = async |path: &Path| match send(&ssh, &source, path).await.unwrap_err() {
            SshError::Transfer { because, .. } => because,
            other => panic!("{other}"),
        };
        let folder = place.path("folder");
        fs::create_dir(&folder).unwrap();
        assert_eq!(because(&folder).await, format!("{} is a folder", folder.display()));
        let under = source.join("below");
        let said = because(&under).await;
        assert!(said.starts_with(&format!("cannot make the folder {}: mkdir: ", source.display())), "{said}");
        let full = Path::new("/dev/full/x");
        let said = because(full).await;
        assert!(said.starts_with("cannot make the folder /dev/full: mkdir: "), "{said}");
        let text = place.path("there").display().to_string();
        let wrong = Upload { source: &source, sha256: "00", path: &text, mode: 0o644 };
        let error = ssh.upload(wrong, &|_| ()).await.unwrap_err().to_string();
        assert!(error.ends_with("7 of 7 bytes arrived, or not as they were sent"), "{error}");
        assert!(!place.path("there").exists());
        let missing = Upload { source: &place.path("none"), ..wrong };
        let error = ssh.upload(missing, &|_| ()).await.unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    });
}

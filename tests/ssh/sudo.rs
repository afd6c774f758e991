//! Becoming root: with and without a password.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use orchestrator::effects::ssh::{As, Ssh, SshError, SshUser, Surroundings, Target, Upload, error::NoPermission};

use crate::server::{Answers, Place, Server, on_one_thread, run, secret, sha256, target};

/// An account of the test's own. Dropped, it is removed.
struct Account {
    name: String,
    rule: PathBuf,
}

impl Account {
    /// `rule` is what sudo grants, such as `ALL=(ALL) ALL`.
    fn new(name: &str, shell: &str, rule: Option<&str>) -> Self {
        let name = format!("{name}-{}", std::process::id());
        run(Command::new("useradd").args(["--no-create-home", "--home-dir", "/", "--shell", shell, &name]));
        let password = format!("{name}:open sesame\n");
        let script = format!("printf '%s' '{password}' | chpasswd");
        run(Command::new("sh").args(["-c", &script]));
        let account = Self { rule: PathBuf::from("/etc/sudoers.d").join(&name), name };
        if let Some(rule) = rule {
            fs::write(&account.rule, format!("{} {rule}\n", account.name)).unwrap();
        }
        account
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.rule);
        run(Command::new("userdel").arg("--force").arg(&self.name));
    }
}

fn machine(place: &Place, server: &Server, account: &Account, answers: &Answers, password: Option<&str>) -> Ssh {
    place.trust(server);
    let surroundings = Surroundings { sudo_password: password.map(secret), ..place.surroundings() };
    let user = SshUser::new(surroundings, Box::new(answers.clone()));
    let target = Target { user: Some(account.name.clone()), ..target(server, Some(place.good_key())) };
    Ssh::new(user, target)
}

#[track_caller]
fn why(error: SshError) -> NoPermission {
    match error {
        SshError::NoPermission { why, .. } => why,
        other => panic!("{other}"),
    }
}

#[test]
fn sudo_without_a_password_needs_nothing() {
    let place = Place::new();
    let account = Account::new("free", "/bin/bash", Some("ALL=(ALL) NOPASSWD: ALL"));
    let server = place.server("");
    let ssh = machine(&place, &server, &account, &Answers::default(), None);
    on_one_thread(async {
        let output = ssh.run(As::Root, "id -un; cat", "the input\n").await.unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "root\nthe input\n");
        let output = ssh.run(As::User, "id -un", "").await.unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), account.name);
    });
}

#[test]
fn a_password_is_asked_for_once_and_never_seen_by_the_script() {
    let place = Place::new();
    let account = Account::new("locked", "/bin/bash", Some("ALL=(ALL) ALL"));
    let server = place.server("");
    let answers = Answers::new(&["open sesame"]);
    let ssh = machine(&place, &server, &account, &answers, None);
    on_one_thread(async {
        for _ in 0..2 {
            let output = ssh.run(As::Root, "id -un; cat", "the input\n").await.unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "root\nthe input\n");
        }
        let source = place.path("file");
        fs::write(&source, "content").unwrap();
        let path = place.path("folder/there").display().to_string();
        let upload = Upload { source: &source, sha256: &sha256(&source), path: &path, mode: 0o600 };
        assert!(ssh.upload(upload, &|_| ()).await.unwrap().changed());
        assert_eq!(fs::read_to_string(&path).unwrap(), "content");
    });
    assert_eq!(*answers.questions.borrow(), [format!("sudo password of {} on machine-1: ", account.name)]);
}

#[test]
fn the_password_may_come_from_the_environment() {
    let place = Place::new();
    let account = Account::new("env", "/bin/bash", Some("ALL=(ALL) ALL"));
    let server = place.server("");
    let ssh = machine(&place, &server, &account, &Answers::default(), Some("open sesame"));
    assert!(on_one_thread(ssh.run(As::Root, "true", "")).unwrap().ended.ok());
}

#[test]
fn each_reason_why_there_is_no_root_is_told() {
    let place = Place::new();
    let locked = Account::new("asks", "/bin/bash", Some("ALL=(ALL) ALL"));
    let barred = Account::new("barred", "/bin/bash", None);
    let server = place.server("");
    let reason = |account, password| {
        let ssh = machine(&place, &server, account, &Answers::default(), password);
        why(on_one_thread(ssh.run(As::Root, "true", "")).unwrap_err())
    };
    assert_eq!(reason(&locked, None), NoPermission::PasswordNeeded);
    assert_eq!(reason(&locked, Some("wrong")), NoPermission::WrongPassword);
    let NoPermission::NotAllowed(words) = reason(&barred, Some("open sesame")) else { panic!("allowed") };
    assert!(words.contains("not in the sudoers file"), "{words}");
}

#[test]
fn an_account_without_a_shell_is_named_with_what_it_said() {
    let place = Place::new();
    let account = Account::new("nologin", "/usr/sbin/nologin", None);
    let server = place.server("");
    let ssh = machine(&place, &server, &account, &Answers::default(), None);
    let error = on_one_thread(ssh.run(As::Root, "true", "")).unwrap_err();
    let output = "This account is currently not available.".to_owned();
    assert_eq!(error, SshError::NotStarted { user: account.name.clone(), output });
}

#[test]
fn what_a_login_shell_prints_is_not_the_scripts() {
    let place = Place::new();
    let shell = place.path("noisy-shell");
    fs::write(&shell, "#!/bin/sh\necho welcome\necho careful >&2\nexec /bin/bash \"$@\"\n").unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let account = Account::new("noisy", shell.to_str().unwrap(), Some("ALL=(ALL) NOPASSWD: ALL"));
    let server = place.server("");
    let ssh = machine(&place, &server, &account, &Answers::default(), None);
    let output = on_one_thread(ssh.run(As::Root, "echo out; echo err >&2", "")).unwrap();
    assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
}

#[test]
fn no_secret_is_in_the_list_of_processes() {
    let place = Place::new();
    let account = Account::new("ps", "/bin/bash", Some("ALL=(ALL) ALL"));
    let server = place.server("");
    let ssh = machine(&place, &server, &account, &Answers::default(), Some("open sesame"));
    let script = "read -r token; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; : only-in-the-script";
    let output = on_one_thread(ssh.run(As::Root, script, "K10token\n")).unwrap();
    let processes = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(processes.contains("orchestrator-started"), "{processes}");
    for hidden in ["open sesame", "K10token", "only-in-the-script"] {
        assert!(!processes.contains(hidden), "{hidden} is in the list of processes");
    }
}

//! Host keys: known, unknown, changed, revoked, certified.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use orchestrator::effects::ssh::{As, Ssh, SshError, SshUser, error::Unknown};

use crate::server::{Answers, Place, Server, free_port, on_one_thread, public, run, target};

/// Runs something on the machine, whose host key nobody added.
fn reach(place: &Place, server: &Server, answers: &Answers) -> Result<(), SshError> {
    let user = SshUser::new(place.surroundings(), Box::new(answers.clone()));
    let ssh = Ssh::new(user, target(server, Some(place.good_key())));
    on_one_thread(ssh.run(As::User, "true", "")).map(|output| assert!(output.ended.ok()))
}

fn fingerprint(key: &Path) -> String {
    let line = run(Command::new("ssh-keygen").arg("-lf").arg(key));
    line.split(' ').nth(1).unwrap().to_owned()
}

fn host_key(place: &Place, server: &Server) -> std::path::PathBuf {
    place.path(&format!("host-{}", server.port))
}

#[test]
fn an_unknown_key_is_confirmed_once_and_kept_for_the_cluster() {
    let place = Place::new();
    let server = place.server("");
    let answers = Answers::new(&["perhaps", "yes"]);
    reach(&place, &server, &answers).unwrap();
    let print = fingerprint(&host_key(&place, &server));
    let questions = answers.questions.borrow().clone();
    assert_eq!(questions.len(), 2);
    let expected = format!(
        "The authenticity of host '[127.0.0.1]:{}' can't be established.\nED25519 key fingerprint is {print}.\n",
        server.port
    );
    assert!(questions[0].starts_with(&expected), "{}", questions[0]);
    let file = place.path("known_hosts");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    reach(&place, &server, &Answers::default()).unwrap();
    // OpenSSH reads what was written.
    let found = run(Command::new("ssh-keygen").args(["-F", &format!("[127.0.0.1]:{}", server.port), "-f"]).arg(file));
    assert!(found.contains("ssh-ed25519"), "{found}");
}

#[test]
fn without_a_terminal_an_unknown_key_is_refused_with_its_fingerprint() {
    let place = Place::new();
    let server = place.server("");
    let error = reach(&place, &server, &Answers::default()).unwrap_err();
    let print = fingerprint(&host_key(&place, &server));
    assert!(
        matches!(&error, SshError::HostKeyUnknown { fingerprint, why: Unknown::NoTerminal, .. }
        if *fingerprint == print),
        "{error}"
    );
    let error = reach(&place, &server, &Answers::new(&["no"])).unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { why: Unknown::Declined, .. }), "{error}");
    assert!(!place.path("known_hosts").exists());
}

#[test]
fn several_unknown_machines_are_asked_about_one_after_the_other() {
    let place = Place::new();
    let servers = [place.server(""), place.server(""), place.server("")];
    let answers = Answers::new(&["yes", "no", "yes"]);
    let user = SshUser::new(place.surroundings(), Box::new(answers.clone()));
    let machines = servers.each_ref().map(|server| Ssh::new(user.clone(), target(server, Some(place.good_key()))));
    let [a, b, c] = machines.each_ref().map(|ssh| ssh.run(As::User, "true", ""));
    let (a, b, c) = on_one_thread(async { tokio::join!(a, b, c) });
    assert_eq!([a.is_ok(), b.is_ok(), c.is_ok()].iter().filter(|ok| **ok).count(), 2);
    assert_eq!(answers.questions.borrow().len(), 3);
}

#[test]
fn two_connections_to_one_unknown_machine_ask_once() {
    let place = Place::new();
    let server = place.server("");
    let answers = Answers::new(&["yes"]);
    let user = SshUser::new(place.surroundings(), Box::new(answers.clone()));
    let [a, b] = [(); 2].map(|()| Ssh::new(user.clone(), target(&server, Some(place.good_key()))));
    let (a, b) = on_one_thread(async { tokio::join!(a.run(As::User, "true", ""), b.run(As::User, "true", "")) });
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(answers.questions.borrow().len(), 1);
}

#[track_caller]
fn changed(place: &Place, server: &Server, known: &Path) {
    let name = format!("[127.0.0.1]:{}", server.port);
    place.know(&format!("# first\n{name} {}", public(known)));
    let error = reach(place, server, &Answers::new(&["yes"])).unwrap_err();
    let expected = SshError::HostKeyChanged {
        host: name,
        offered: format!("ED25519 {}", fingerprint(&host_key(place, server))),
        known: fingerprint(known),
        file: place.path("known_hosts"),
        line: 2,
    };
    assert_eq!(error, expected);
    assert!(!error.heals());
}

#[test]
fn a_changed_key_is_refused_whatever_is_answered() {
    let place = Place::new();
    let server = place.server("");
    changed(&place, &server, &place.key("other", "ed25519", ""));
}

#[test]
fn a_key_of_another_algorithm_is_a_changed_key() {
    let place = Place::new();
    let server = place.server("");
    changed(&place, &server, &place.key("other", "rsa", ""));
}

#[test]
fn of_several_keys_the_machine_has_the_known_one_is_asked_for() {
    let place = Place::new();
    let (port, keys) = (free_port(), [place.key("h1", "ed25519", ""), place.key("h2", "rsa", "")]);
    let server = place.server_with(port, &keys, "");
    place.know(&format!("[127.0.0.1]:{port} {}", public(&keys[1])));
    reach(&place, &server, &Answers::default()).unwrap();
}

#[test]
fn checking_can_be_loosened_for_new_keys_alone() {
    let place = Place::new();
    let server = place.server("");
    fs::write(place.path(".ssh/config"), "StrictHostKeyChecking no\n").unwrap();
    let known = place.key("other", "ed25519", "");
    let name = format!("[127.0.0.1]:{}", server.port);
    place.know(&format!("{name} {}", public(&known)));
    let error = reach(&place, &server, &Answers::default()).unwrap_err();
    assert!(matches!(error, SshError::HostKeyChanged { .. }), "{error}");
    fs::remove_file(place.path("known_hosts")).unwrap();
    reach(&place, &server, &Answers::default()).unwrap();
    fs::write(place.path(".ssh/config"), "StrictHostKeyChecking yes\n").unwrap();
    fs::remove_file(place.path("known_hosts")).unwrap();
    let error = reach(&place, &server, &Answers::new(&["yes"])).unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { why: Unknown::Strict, .. }), "{error}");
}

#[test]
fn hashed_entries_of_the_users_own_file_count() {
    let place = Place::new();
    let server = place.server("");
    let file = place.path(".ssh/known_hosts");
    fs::write(&file, format!("[127.0.0.1]:{} {}", server.port, public(&host_key(&place, &server)))).unwrap();
    run(Command::new("ssh-keygen").arg("-qHf").arg(&file));
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    reach(&place, &server, &Answers::default()).unwrap();
}

#[test]
fn a_revoked_key_is_refused() {
    let place = Place::new();
    let server = place.server("");
    place.trust(&server);
    place.know(&format!("@revoked * {}", public(&host_key(&place, &server))));
    let error = reach(&place, &server, &Answers::new(&["yes"])).unwrap_err();
    assert!(matches!(error, SshError::HostKeyRevoked { line: 2, .. }), "{error}");
}

/// A server that shows a certificate for `names`, signed by the key `authority`.
fn certified(place: &Place, names: &str, options: &[&str]) -> Server {
    let (port, key, authority) = (free_port(), place.key("h", "ed25519", ""), place.key("authority", "ed25519", ""));
    let sign = ["-q", "-s", authority.to_str().unwrap(), "-I", "id", "-n", names];
    run(Command::new("ssh-keygen").args(sign).args(options).arg(&key));
    let options = format!("HostCertificate {}-cert.pub", key.display());
    place.server_with(port, &[key], &options)
}

#[test]
fn a_certificate_of_a_known_authority_is_accepted() {
    let place = Place::new();
    let server = certified(&place, "127.0.0.1", &["-h"]);
    place.know(&format!("@cert-authority [127.0.*]:* {}", public(&place.path("authority"))));
    reach(&place, &server, &Answers::default()).unwrap();
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let place = Place::new();
    let server = certified(&place, "10.9.9.9", &["-h"]);
    place.know(&format!("@cert-authority * {}", public(&place.path("authority"))));
    let error = reach(&place, &server, &Answers::new(&["yes"])).unwrap_err().to_string();
    assert!(error.ends_with("it is made for 10.9.9.9, not for 127.0.0.1"), "{error}");
}

#[test]
fn a_certificate_that_ran_out_is_refused() {
    let place = Place::new();
    let server = certified(&place, "127.0.0.1", &["-h", "-V", "20200101:20200102"]);
    place.know(&format!("@cert-authority * {}", public(&place.path("authority"))));
    let error = reach(&place, &server, &Answers::new(&["yes"])).unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { why: Unknown::Certificate(_), .. }), "{error}");
}

#[test]
fn an_unreadable_known_hosts_file_is_an_error() {
    let place = Place::new();
    let server = place.server("");
    fs::create_dir(place.path("known_hosts")).unwrap();
    let error = reach(&place, &server, &Answers::new(&["yes"])).unwrap_err();
    assert!(matches!(error, SshError::KnownHosts { .. }), "{error}");
}

//! Keys: which are taken, in which order, and what is said when none is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use orchestrator::effects::ssh::{As, Ssh, SshError, SshUser, Surroundings, ask::Ask};

use crate::server::{Answers, Place, Server, on_one_thread, public, run, target};

/// An agent of the test's own. Dropped, it is ended.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn new(place: &Place) -> Self {
        let socket = place.path("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        run(Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_in(
    place: &Place,
    server: &Server,
    key: Option<PathBuf>,
    surroundings: Surroundings,
    answers: &Answers,
) -> Result<(), SshError> {
    if !place.path("known_hosts").exists() {
        place.trust(server);
    }
    let ssh = Ssh::new(SshUser::new(surroundings, Box::new(answers.clone())), target(server, key));
    on_one_thread(ssh.run(As::User, "true", "")).map(|output| assert!(output.ended.ok()))
}

fn with_key(place: &Place, server: &Server, key: PathBuf, answers: &Answers) -> Result<(), SshError> {
    log_in(place, server, Some(key), place.surroundings(), answers)
}

fn with_agent(place: &Place, server: &Server, agent: &Agent) -> Result<(), SshError> {
    let surroundings = Surroundings { agent: Some(agent.socket.clone()), ..place.surroundings() };
    log_in(place, server, None, surroundings, &Answers::default())
}

#[track_caller]
fn lets_in(kind: &str) {
    let place = Place::new();
    let key = place.key("key", kind, "");
    place.authorize(&key);
    with_key(&place, &place.server(""), key, &Answers::default()).unwrap();
}

#[test]
fn ed25519_keys_let_in() {
    lets_in("ed25519");
}

#[test]
fn ecdsa_keys_let_in() {
    lets_in("ecdsa");
}

#[test]
fn rsa_keys_let_in() {
    lets_in("rsa");
}

#[test]
fn keys_in_the_usual_places_let_in() {
    let place = Place::new();
    let key = place.key(".ssh/id_ed25519", "ed25519", "");
    place.authorize(&key);
    let server = place.server("");
    log_in(&place, &server, None, place.surroundings(), &Answers::default()).unwrap();
}

#[test]
fn a_wrong_key_and_a_missing_one_are_named() {
    let place = Place::new();
    let wrong = place.key("wrong", "ed25519", "");
    fs::write(place.path(".ssh/config"), "IdentityFile ~/none\n").unwrap();
    let error = with_key(&place, &place.server(""), wrong.clone(), &Answers::default()).unwrap_err();
    let expected = format!(
        "no key lets `root` in: {} (no such file), {} (refused); the machine takes publickey",
        place.path("none").display(),
        wrong.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(!error.heals());
}

#[test]
fn what_the_machine_takes_instead_is_said() {
    let place = Place::new();
    let server = place.server("PubkeyAuthentication no\nPasswordAuthentication yes");
    let error = with_key(&place, &server, place.key("key", "ed25519", ""), &Answers::default()).unwrap_err();
    assert!(error.to_string().ends_with("the machine takes password"), "{error}");
}

#[test]
fn an_encrypted_key_is_opened_once_per_run() {
    let place = Place::new();
    let key = place.key("key", "ed25519", "open sesame");
    place.authorize(&key);
    let servers = [place.server(""), place.server("")];
    for server in &servers {
        place.trust(server);
    }
    let answers = Answers::new(&["wrong", "open sesame"]);
    let user = SshUser::new(place.surroundings(), Box::new(answers.clone()));
    let [a, b] = servers.each_ref().map(|server| Ssh::new(user.clone(), target(server, Some(key.clone()))));
    let (a, b) = on_one_thread(async { tokio::join!(a.run(As::User, "true", ""), b.run(As::User, "true", "")) });
    assert!(a.is_ok() && b.is_ok());
    let question = format!("passphrase of {}: ", key.display());
    assert_eq!(*answers.questions.borrow(), [question.clone(), question]);
}

#[test]
fn an_encrypted_key_of_the_old_format_is_opened() {
    let place = Place::new();
    let key = place.path("key");
    let arguments = ["-q", "-t", "rsa", "-m", "PEM", "-N", "open sesame", "-f", key.to_str().unwrap()];
    run(Command::new("ssh-keygen").args(arguments));
    place.authorize(&key);
    with_key(&place, &place.server(""), key, &Answers::new(&["open sesame"])).unwrap();
}

#[test]
fn an_encrypted_key_that_the_machine_would_not_take_is_not_asked_about() {
    let place = Place::new();
    let answers = Answers::new(&["open sesame"]);
    let key = place.key("key", "ed25519", "open sesame");
    with_key(&place, &place.server(""), key, &answers).unwrap_err();
    assert!(answers.questions.borrow().is_empty());
}

#[test]
fn without_a_terminal_an_encrypted_key_is_named() {
    let place = Place::new();
    let key = place.key("key", "ed25519", "open sesame");
    place.authorize(&key);
    let server = place.server("");
    let error = with_key(&place, &server, key.clone(), &Answers::default()).unwrap_err().to_string();
    let expected = format!("{} (encrypted, and no terminal to ask for its passphrase)", key.display());
    assert!(error.contains(&expected), "{error}");
    let error = with_key(&place, &server, key, &Answers::new(&["a", "b", "c", "d"])).unwrap_err().to_string();
    assert!(error.contains("(wrong passphrase)"), "{error}");
}

#[test]
fn the_last_of_seven_keys_of_an_agent_lets_in() {
    let place = Place::new();
    let agent = Agent::new(&place);
    for number in 1..=7 {
        agent.add(&place.key(&format!("key-{number}"), "ed25519", ""));
    }
    place.authorize(&place.path("key-7"));
    with_agent(&place, &place.server(""), &agent).unwrap();
}

#[test]
fn a_machine_that_hears_fewer_keys_is_asked_again() {
    let place = Place::new();
    let agent = Agent::new(&place);
    for number in 1..=4 {
        agent.add(&place.key(&format!("key-{number}"), if number == 4 { "rsa" } else { "ed25519" }, ""));
    }
    place.authorize(&place.path("key-4"));
    with_agent(&place, &place.server("MaxAuthTries 2"), &agent).unwrap();
}

#[test]
fn a_machine_that_hears_one_key_at_a_time_refuses_them_all() {
    let place = Place::new();
    let agent = Agent::new(&place);
    for number in 1..=2 {
        agent.add(&place.key(&format!("key-{number}"), "ed25519", ""));
    }
    let error = with_agent(&place, &place.server("MaxAuthTries 1"), &agent).unwrap_err().to_string();
    assert_eq!(error, "no key lets `root` in: agent: key-1 (refused), agent: key-2 (refused)");
}

/// A person who takes too long.
struct Slow;

#[async_trait::async_trait(?Send)]
impl Ask for Slow {
    async fn line(&self, _: &str, _: bool) -> Option<String> {
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        Some("open sesame".into())
    }
}

#[test]
fn a_connection_that_ends_while_logging_in_may_heal() {
    let place = Place::new();
    let server = place.server("LoginGraceTime 1");
    let key = place.key("key", "ed25519", "open sesame");
    place.authorize(&key);
    place.trust(&server);
    let ssh = Ssh::new(SshUser::new(place.surroundings(), Box::new(Slow)), target(&server, Some(key)));
    on_one_thread(async {
        let error = ssh.run(As::User, "true", "").await.unwrap_err();
        assert!(error.heals(), "{error:?}");
        // What was typed is not asked for again.
        assert!(ssh.run(As::User, "true", "").await.unwrap().ended.ok());
    });
}

#[test]
fn the_agent_signs_for_a_configured_key_that_is_encrypted() {
    let place = Place::new();
    let key = place.key("key", "ed25519", "");
    place.authorize(&key);
    let agent = Agent::new(&place);
    agent.add(&key);
    run(Command::new("ssh-keygen").args(["-q", "-p", "-N", "open sesame", "-f"]).arg(&key));
    fs::write(place.path(".ssh/config"), "IdentitiesOnly yes\n").unwrap();
    let surroundings = Surroundings { agent: Some(agent.socket.clone()), ..place.surroundings() };
    let answers = Answers::default();
    log_in(&place, &place.server(""), Some(key), surroundings, &answers).unwrap();
    assert!(answers.questions.borrow().is_empty());
}

#[test]
fn identities_only_keeps_the_agents_other_keys_back() {
    let place = Place::new();
    let key = place.key("key", "ed25519", "");
    place.authorize(&key);
    let agent = Agent::new(&place);
    agent.add(&key);
    fs::write(place.path(".ssh/config"), "IdentitiesOnly yes\nIdentityFile ~/other\n").unwrap();
    let error = with_agent(&place, &place.server(""), &agent).unwrap_err();
    assert!(matches!(error, SshError::AuthenticationRefused { .. }), "{error}");
}

#[test]
fn an_agent_that_is_gone_is_said_and_other_keys_are_tried() {
    let place = Place::new();
    let surroundings = Surroundings { agent: Some(place.path("no-agent")), ..place.surroundings() };
    let server = place.server("");
    log_in(&place, &server, Some(place.good_key()), surroundings, &Answers::default()).unwrap();
    let surroundings = Surroundings { agent: Some(place.path("no-agent")), ..place.surroundings() };
    let error = log_in(&place, &server, None, surroundings, &Answers::default()).unwrap_err().to_string();
    assert!(error.contains("no-agent (No such file"), "{error}");
}

#[test]
fn a_certificate_beside_the_key_lets_in() {
    let place = Place::new();
    let (key, authority) = (place.key("key", "ed25519", ""), place.key("authority", "ed25519", ""));
    run(Command::new("ssh-keygen").args(["-q", "-s"]).arg(&authority).args(["-I", "id", "-n", "root"]).arg(&key));
    fs::write(place.path("authorities"), public(&authority)).unwrap();
    let server = place.server(&format!("TrustedUserCAKeys {}", place.path("authorities").display()));
    with_key(&place, &server, key, &Answers::default()).unwrap();
}

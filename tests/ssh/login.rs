//! Keys: which are taken, and what is said when none is.

use orchestrator::effects::ssh::{As, Ssh, SshError};

use crate::server::{Place, on_one_thread, target};

#[track_caller]
fn lets_in(kind: &str) {
    let place = Place::new();
    let key = place.key("key", kind, "");
    place.authorize(&key);
    let server = place.server("");
    place.trust(&server);
    let ssh = Ssh::new(place.user(), target(&server, Some(key)));
    assert!(on_one_thread(ssh.run(As::User, "true", "")).unwrap().ended.ok());
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
fn a_wrong_key_is_named() {
    let place = Place::new();
    let key = place.key("wrong", "ed25519", "");
    let server = place.server("");
    place.trust(&server);
    let ssh = Ssh::new(place.user(), target(&server, Some(key.clone())));
    let error = on_one_thread(ssh.run(As::User, "true", "")).unwrap_err();
    assert!(matches!(error, SshError::AuthenticationRefused { .. }), "{error}");
    let expected = format!("no key lets `root` in: {} (refused); the machine takes publickey", key.display());
    assert_eq!(error.to_string(), expected);
}

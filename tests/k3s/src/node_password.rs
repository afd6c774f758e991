//! Node passwords: a name belongs to the machine that used it first, until its Node is deleted.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use orchestrator::rehearsal::{resource::of, store::Store};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    log::Fatal,
    paths::{Paths, write},
};

const NAMESPACE: &str = "kube-system";

/// Returns this machine's password, made when it is asked for the first time.
///
/// # Errors
/// When its file cannot be written.
pub fn own(paths: &Paths) -> Result<String, Fatal> {
    let path = paths.node_password();
    if let Ok(password) = fs::read_to_string(&path) {
        return Ok(password.trim().to_owned());
    }
    let password = uuid::Uuid::new_v4().simple().to_string();
    write(&path, format!("{password}\n"), 0o600)?;
    Ok(password)
}

fn secret_name(node: &str) -> String {
    format!("{node}.node-password.k3s").to_lowercase()
}

fn digest(salt: &str, password: &str) -> String {
    let digest = Sha256::digest(format!("{salt}:{password}"));
    format!("$1:{salt}:{}", STANDARD.encode(digest))
}

/// Keeps the password of a node that is new, and checks that of a known one.
///
/// # Errors
/// When the node is known with another password.
pub fn ensure(store: &Store, node: &str, password: &str) -> Result<(), String> {
    let salt = uuid::Uuid::new_v4().simple().to_string();
    let hash = STANDARD.encode(digest(&salt[..16], password));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": {"name": secret_name(node), "namespace": NAMESPACE}, "data": {"hash": hash},
    });
    match store.create(of("Secret"), secret) {
        Ok(_) => Ok(()),
        Err(known) if matches(&known.0.value(), password) => Ok(()),
        Err(_) => Err(format!("unable to verify hash for node '{node}': hash does not match")),
    }
}

/// Checks the password of a node, if one is kept.
///
/// # Errors
/// When it is another one.
pub fn verify(store: &Store, node: &str, password: &str) -> Result<(), String> {
    match store.get(of("Secret"), NAMESPACE, &secret_name(node)) {
        Some(known) if !matches(&known.value(), password) => {
            Err(format!("unable to verify hash for node '{node}': hash does not match"))
        }
        _ => Ok(()),
    }
}

fn matches(secret: &Value, password: &str) -> bool {
    let hash = secret["data"]["hash"].as_str().and_then(|hash| STANDARD.decode(hash).ok());
    let hash = hash.and_then(|hash| String::from_utf8(hash).ok()).unwrap_or_default();
    hash.split(':').nth(1).is_some_and(|salt| digest(salt, password) == hash)
}

/// Forgets the password of a node that was deleted.
pub fn forget(store: &Store, node: &str) {
    if let Some(secret) = store.get(of("Secret"), NAMESPACE, &secret_name(node)) {
        let _ = store.remove(&secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_its_first_machine_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log")).unwrap();
        ensure(&store, "Agent-1", "one").unwrap();
        ensure(&store, "agent-1", "one").unwrap();
        let refused = "unable to verify hash for node 'agent-1': hash does not match";
        assert_eq!(ensure(&store, "agent-1", "two").unwrap_err(), refused);
        forget(&store, "agent-1");
        ensure(&store, "agent-1", "two").unwrap();
    }
}

//! K3s's own kubeconfig, as the rehearsal writes it.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::model::hex::hex;

/// Returns the text of a kubeconfig for `server`, all names `default` as K3s has them. `ca` is PEM.
pub fn kubeconfig(ca: &str, server: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\n\
         clusters:\n- name: default\n  cluster:\n    certificate-authority-data: {ca}\n    server: {server}\n\
         users:\n- name: default\n  user:\n    token: {token}\n\
         contexts:\n- name: default\n  context:\n    cluster: default\n    user: default\n\
         current-context: default\n",
        ca = STANDARD.encode(ca),
    )
}

/// Returns the hash of a CA as K3s writes it between `K10` and `::` of a full token. `ca` is PEM.
pub fn ca_hash(ca: &str) -> String {
    hex(Sha256::digest(ca))
}

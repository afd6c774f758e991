//! The administrator's kubeconfig, as K3s writes it.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    config::Settings,
    log::Fatal,
    paths::{Paths, write},
    tls::{Authority, client},
};

/// Writes `k3s.yaml` for this server and returns where it is.
///
/// # Errors
/// When it cannot be written, or the wanted mode is none.
pub fn write_admin(paths: &Paths, settings: &Settings, server_ca: &str, port: u16) -> Result<String, Fatal> {
    let authority = Authority::read(paths, "client-ca")?;
    let (certificate, key) = client(&authority, &paths.tls("client-admin"), "system:admin", "system:masters")?;
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: https://127.0.0.1:{port}\n  name: default\n\
         contexts:\n- context:\n    cluster: default\n    user: default\n  name: default\n\
         current-context: default\nkind: Config\npreferences: {{}}\n\
         users:\n- name: default\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n",
        ca = STANDARD.encode(server_ca),
        certificate = STANDARD.encode(certificate),
        key = STANDARD.encode(key),
    );
    let mode = settings.text("write-kubeconfig-mode").map_or(Ok(0o600), |mode| u32::from_str_radix(mode, 8))?;
    write(&paths.server("cred/admin.kubeconfig"), &text, 0o600)?;
    let path = settings.text("write-kubeconfig").map_or_else(|| paths.host("etc/rancher/k3s/k3s.yaml"), Into::into);
    write(&path, &text, mode)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    Ok(path.display().to_string())
}

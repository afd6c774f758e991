//! `k3s agent`.

use std::{fs, path::Path, time::Duration};

use http::{Method, StatusCode};
use orchestrator::model::Role;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    cluster_access::Access,
    config::Settings,
    faults::{Faults, NO_NETWORK},
    kubelet::Kubelet,
    log::{self, Fatal},
    node_facts, node_password,
    pace::{Pace, REGISTER_AGENT},
    paths::{Paths, write},
    version,
};

/// How long until the connection is tried again.
const VALIDATE_AGAIN: Duration = Duration::from_secs(2);
/// How long until the configuration is asked for again.
const CONFIGURE_AGAIN: Duration = Duration::from_secs(5);

/// Runs an agent until it fails.
///
/// # Errors
/// What K3s would end with.
pub async fn run(settings: &Settings, pace: Pace) -> Result<(), Fatal> {
    let paths = Paths::new(settings.text("data-dir"));
    let version = version::current();
    let token = settings.secret("token")?.ok_or("--token is required")?;
    let server = settings.text("server").ok_or("--server is required")?.to_owned();
    log::info(format!("Starting k3s agent {version} ({})", version::commit(&version)));
    let faults = Faults::read(&paths)?;
    faults.begin().await?;
    let _balancer = balancer(settings, &paths).await?;
    let shown = format!("https://127.0.0.1:{}", balancer_port(settings));
    node_facts::address(settings)?;

    let balancer_file = paths.agent("etc/k3s-agent-load-balancer.json");
    let (access, server) = join(&server, &known_servers(&balancer_file), &shown, &token).await;
    let password = configured(settings, &paths, &access).await?;
    let node = node_facts::node(settings, Role::Agent, false, NO_NETWORK)?;
    let kubelet = Kubelet::new(access, &server, node, password, settings, &faults, pace)?;
    let (registered, mut up) = watch::channel(false);
    let ready = async {
        if up.wait_for(|up| *up).await.is_ok() {
            log::info("k3s agent is up and running");
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = kubelet.run(&paths, pace.of(REGISTER_AGENT), registered) => Ok(()),
        () = ready => Ok(()),
        why = faults.crash() => Err(why),
    }
}

fn balancer_port(settings: &Settings) -> &str {
    settings.text("lb-server-port").unwrap_or("6444")
}

/// Takes the port of the balancer that a real agent speaks to its servers through.
async fn balancer(settings: &Settings, paths: &Paths) -> Result<Option<TcpListener>, Fatal> {
    if !paths.is_host() && settings.text("lb-server-port").is_none() {
        return Ok(None);
    }
    let address = format!("127.0.0.1:{}", balancer_port(settings));
    let taken = |_| Fatal(format!("listen tcp {address}: bind: address already in use"));
    Ok(Some(TcpListener::bind(&address).await.map_err(taken)?))
}

/// Returns the servers that an earlier process of this agent heard of.
fn known_servers(file: &Path) -> Vec<String> {
    let text = fs::read(file).unwrap_or_default();
    let known: Value = serde_json::from_slice(&text).unwrap_or_default();
    let addresses = known["ServerAddresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    addresses.map(|address| format!("https://{address}")).collect()
}

/// Comes to the cluster, through its first server or one of the known ones, however long it takes; returns which.
async fn join(first: &str, known: &[String], shown: &str, token: &str) -> (Access, String) {
    loop {
        let mut failed = String::new();
        for server in std::iter::once(first).chain(known.iter().map(String::as_str)) {
            match Access::open(server, shown, token, "node").await {
                Ok(access) => return (access, server.to_owned()),
                Err(why) => failed = why,
            }
        }
        log::error(format!("Failed to validate connection to cluster at {first}: {failed}"));
        tokio::time::sleep(VALIDATE_AGAIN).await;
    }
}

/// Fetches what a node needs, however long it takes; returns the node's password.
async fn configured(settings: &Settings, paths: &Paths, access: &Access) -> Result<String, Fatal> {
    loop {
        match configure(settings, paths, access).await {
            Ok(password) => return Ok(password),
            Err(Fatal(why)) => {
                log::info(format!("Waiting to retrieve agent configuration; server is not ready: {why}"));
            }
        }
        tokio::time::sleep(CONFIGURE_AGAIN).await;
    }
}

/// Fetches the node's certificates, which needs its password; used by servers for their own node too.
///
/// # Errors
/// In K3s's words.
pub async fn configure(settings: &Settings, paths: &Paths, access: &Access) -> Result<String, Fatal> {
    let refused = |why| Fatal(format!("failed to retrieve configuration from server: {why}"));
    access.get("config").await.map_err(refused)?;
    node_facts::check_interface(settings)?;
    for file in ["client-ca.crt", "server-ca.crt"] {
        write(&paths.agent(file), access.get(file).await?, 0o600)?;
    }
    let password = node_password::own(paths)?;
    for file in ["serving-kubelet", "client-kubelet"] {
        let path = format!("{file}.crt");
        let headers = [
            ("k3s-node-name", node_facts::name(settings)),
            ("k3s-node-password", password.clone()),
            ("k3s-node-ip", node_facts::address(settings)?.to_string()),
        ];
        let answer = access.answer(Method::GET, &path, &headers, Vec::new()).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN => return Err(Fatal(rejected(paths))),
            status => return Err(Fatal(format!("{path}: {status}"))),
        }
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        let key = text.find("-----BEGIN PRIVATE KEY").unwrap_or(text.len());
        write(&paths.agent(&path), &text[..key], 0o600)?;
        write(&paths.agent(&format!("{file}.key")), &text[key..], 0o600)?;
    }
    Ok(password)
}

fn rejected(paths: &Paths) -> String {
    format!(
        "Node password rejected, duplicate hostname or contents of '{}' may not match server node-passwd entry, \
         try enabling a unique node name with the --with-node-id flag",
        paths.node_password().display()
    )
}

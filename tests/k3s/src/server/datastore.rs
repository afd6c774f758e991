//! Where a server keeps the cluster: alone, or as a member of embedded etcd.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::Value;

use super::preparing;
use crate::{
    cluster_access::Access,
    config::Settings,
    log::{self, Fatal},
    members::{Member, Members, Roster},
    paths::{Paths, write},
    supervisor::{JOIN, critical},
};

/// The datastore of one server.
pub struct Datastore {
    /// The file of the store.
    pub file: PathBuf,
    /// The members of embedded etcd; `None` for a server that is alone.
    pub members: Option<Arc<Members>>,
}

impl Datastore {
    /// Finds the datastore of this server, begins a new one, or joins that of another server. `own` is what this server
    /// would be as a member.
    ///
    /// # Errors
    /// In K3s's words.
    pub async fn prepare(settings: &Settings, paths: &Paths, own: Member) -> Result<Self, Fatal> {
        check_tombstone(settings, paths)?;
        let etcd = paths.server("db/etcd");
        let (file, roster_file) = (etcd.join("member/snap/db"), etcd.join("members.json"));
        let alone = paths.server("db/state.db");
        let server = settings.text("server");
        let initialized = file.exists().then(|| Members::kept(&roster_file)).flatten();
        if initialized.is_none() && server.is_none() && !settings.on("cluster-init") {
            crate::paths::make_folder(&paths.server("db"))?;
            return Ok(Self { file: alone, members: None });
        }
        crate::paths::make_folder(&etcd.join("member/snap"))?;
        let id = member_id(&etcd, &own.node)?;
        let own = Member { id: id.clone(), ..own };
        let roster = match (initialized, server) {
            (Some(roster), _) => {
                log::info("Managed etcd cluster bootstrap already complete and initialized");
                roster
            }
            (None, Some(server)) => {
                log::info("Managed etcd cluster not yet initialized");
                join(settings, paths, server, &own).await?
            }
            (None, None) => {
                log::info("Managed etcd cluster initializing");
                if alone.exists() {
                    log::info("Migrating content from sqlite to etcd");
                    fs::rename(&alone, &file)?;
                }
                Roster { members: vec![own], ..Roster::default() }
            }
        };
        Ok(Self { file, members: Some(Arc::new(Members::new(id, roster_file, roster)?)) })
    }
}

/// A server that was removed while it ran begins anew, if it is told whom to join.
fn check_tombstone(settings: &Settings, paths: &Paths) -> Result<(), Fatal> {
    if !paths.server("db/tombstone").exists() {
        return Ok(());
    }
    if settings.text("server").is_none() {
        return Err(preparing(
            "tombstone file has been detected but --server is empty: backup and delete ${datadir}/server/db to create \
             a new cluster, or set --server to rejoin",
        ));
    }
    log::info("tombstone file has been detected, removing data dir to rejoin the cluster");
    let old = format!("db-old-{}", jiff::Timestamp::now().as_second());
    Ok(fs::rename(paths.server("db"), paths.server(&old))?)
}

/// Leaves the mark of a member that was removed.
///
/// # Errors
/// When it cannot be written.
pub fn bury(paths: &Paths) -> Result<(), Fatal> {
    Ok(write(&paths.server("db/tombstone"), "", 0o600)?)
}

fn member_id(etcd: &Path, node: &str) -> Result<String, Fatal> {
    let file = etcd.join("name");
    if let Ok(id) = fs::read_to_string(&file) {
        return Ok(id);
    }
    let id = format!("{node}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    write(&file, &id, 0o600)?;
    Ok(id)
}

/// Checks that the cluster was begun with the settings of this server.
async fn compare(settings: &Settings, access: &Access) -> Result<(), Fatal> {
    let invalid = |why: String| preparing(format!("failed to validate server configuration: {why}"));
    let theirs: Value = serde_json::from_slice(&access.get("config").await.map_err(invalid)?)?;
    let own = critical(settings);
    let different = own.as_object().into_iter().flatten().filter(|(key, value)| theirs[*key] != **value);
    let different: Vec<_> = different.map(|(key, _)| key.as_str()).collect();
    if different.is_empty() {
        return Ok(());
    }
    let different = different.join(", ");
    Err(invalid(format!("critical configuration value mismatch between servers: {different}")))
}

async fn join(settings: &Settings, paths: &Paths, server: &str, own: &Member) -> Result<Roster, Fatal> {
    let token = settings.secret("token")?.ok_or_else(|| preparing("K3S_TOKEN is required to join a cluster"))?;
    let access = Access::open(server, server, &token, "server").await.map_err(preparing)?;
    compare(settings, &access).await?;
    let files = access.get("server-bootstrap").await;
    let files = files.map_err(|why| preparing(format!("failed to bootstrap cluster data: {why}")))?;
    let files: Value = serde_json::from_slice(&files)?;
    for (name, file) in files.as_object().into_iter().flatten() {
        let content = STANDARD.decode(file["Content"].as_str().unwrap_or_default())?;
        write(
            &paths.tls(name),
            content,
            if Path::new(name).extension().is_some_and(|kind| kind == "key") { 0o600 } else { 0o644 },
        )?;
    }
    let answer = access.answer(Method::POST, JOIN, &[], serde_json::to_vec(own)?).await.map_err(preparing)?;
    if !answer.status().is_success() {
        let why = String::from_utf8_lossy(answer.body()).into_owned();
        return Err(preparing(format!("start managed database: joining etcd cluster: {why}")));
    }
    Ok(serde_json::from_slice(answer.body())?)
}

//! `k3s etcd-snapshot`.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use crate::{
    config::Settings,
    keys::Who,
    log::{self, Fatal},
    node_facts,
    paths::Paths,
    server::listen::{port, refused},
};

/// Runs `k3s etcd-snapshot` and returns what it prints.
///
/// # Errors
/// When the server does not run, or has no etcd.
pub fn run(arguments: &[String]) -> Result<String, Fatal> {
    let (command, rest) = match arguments.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (first.as_str(), rest),
        _ => ("save", arguments),
    };
    let mut name = "on-demand".to_owned();
    let mut flags = Vec::new();
    let mut rest = rest.iter();
    while let Some(flag) = rest.next() {
        match flag.strip_prefix("--name") {
            Some("") => name = rest.next().cloned().unwrap_or(name),
            Some(value) if value.starts_with('=') => value[1..].clone_into(&mut name),
            _ => flags.push(flag.clone()),
        }
    }
    let settings = Settings::read(Who::Server, &flags, |name| env::var(name).ok())?;
    let paths = Paths::new(settings.text("data-dir"));
    let folder = settings.text("etcd-snapshot-dir").map_or_else(|| paths.server("db/snapshots"), PathBuf::from);
    match command {
        "save" => save(&settings, &paths, &folder, &name).map(|()| String::new()),
        "ls" | "list" => Ok(list(&folder)),
        other => Err(Fatal(format!("the stand-in has no `k3s etcd-snapshot {other}`"))),
    }
}

fn save(settings: &Settings, paths: &Paths, folder: &std::path::Path, name: &str) -> Result<(), Fatal> {
    let address = settings.text("bind-address").map_or(Ok(Ipv4Addr::LOCALHOST), str::parse)?;
    let port = port(settings)?;
    let answers = TcpStream::connect((address, port));
    answers.map_err(|error| {
        let why = refused(&format!("{address}:{port}"), &error);
        Fatal(format!("see server log for details: Post \"https://{address}:{port}/db/snapshot\": {why}"))
    })?;
    let store = paths.server("db/etcd/member/snap/db");
    if !store.exists() {
        return Err("see server log for details: etcd datastore disabled".into());
    }
    crate::paths::make_folder(folder)?;
    let name = format!("{name}-{}-{}", node_facts::name(settings), jiff::Timestamp::now().as_second());
    fs::copy(store, folder.join(&name))?;
    log::info(format!("Snapshot {name} saved."));
    Ok(())
}

fn list(folder: &std::path::Path) -> String {
    let mut lines = vec!["Name Location Size Created".to_owned()];
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    lines.extend(files.iter().map(|(path, metadata)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let created = jiff::Timestamp::from_second(metadata.mtime()).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("{name} file://{} {} {created}", path.display(), metadata.len())
    }));
    lines.join("\n")
}

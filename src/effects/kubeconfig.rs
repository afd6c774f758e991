//! Kubeconfig files: the cluster's own, and the user's, which is merged into with care.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::state_directory::write_private;
use crate::failure::{Failure, KUBECONFIG_UNUSABLE};

const SECTIONS: [&str; 3] = ["clusters", "users", "contexts"];

/// Renames the cluster, user and context of K3s's own kubeconfig, all called `default`, and points it at `server`, which
/// proves itself as `tls_name` whatever its address is.
///
/// # Errors
/// When `text` is not a kubeconfig.
pub fn rename(text: &str, name: &str, server: &str, tls_name: Option<&str>) -> Result<String, Failure> {
    let mut config = parse(text, Path::new("/etc/rancher/k3s/k3s.yaml"))?;
    for section in SECTIONS {
        config[section][0]["name"] = json!(name);
    }
    config["clusters"][0]["cluster"]["server"] = json!(server);
    if let Some(tls_name) = tls_name {
        config["clusters"][0]["cluster"]["tls-server-name"] = json!(tls_name);
    }
    config["contexts"][0]["context"]["cluster"] = json!(name);
    config["contexts"][0]["context"]["user"] = json!(name);
    config["current-context"] = json!(name);
    Ok(render(&config))
}

/// Returns the user's kubeconfig: the first file of `$KUBECONFIG`, else `~/.kube/config`.
pub fn users_own(variable: Option<&str>, home: &Path) -> PathBuf {
    let first = variable.and_then(|paths| paths.split(':').find(|path| !path.is_empty()));
    first.map_or_else(|| home.join(".kube/config"), PathBuf::from)
}

/// Merges the cluster of `ours` into the file at `path` and makes it the current context. The file is kept beside as
/// `<name>.before-orchestrator` the first time. Returns whether anything changed.
///
/// # Errors
/// When the file is no kubeconfig or cannot be written.
pub fn merge(path: &Path, ours: &str) -> Result<bool, Failure> {
    let ours = parse(ours, path)?;
    edit(path, |theirs| {
        for section in SECTIONS {
            let entry = ours[section][0].clone();
            remove_entry(theirs, section, &entry["name"]);
            if !theirs[section].is_array() {
                theirs[section] = json!([]);
            }
            theirs[section].as_array_mut().expect("made an array above").push(entry);
        }
        theirs["current-context"] = ours["current-context"].clone();
    })
}

/// Removes the cluster called `name` from the file at `path`. Returns whether anything changed.
///
/// # Errors
/// When the file is no kubeconfig or cannot be written.
pub fn unmerge(path: &Path, name: &str) -> Result<bool, Failure> {
    if !path.exists() {
        return Ok(false);
    }
    edit(path, |theirs| {
        for section in SECTIONS {
            remove_entry(theirs, section, &json!(name));
        }
        if theirs["current-context"] == name {
            theirs["current-context"] = json!("");
        }
    })
}

fn remove_entry(config: &mut Value, section: &str, name: &Value) {
    if let Some(entries) = config[section].as_array_mut() {
        entries.retain(|entry| entry["name"] != *name);
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) -> Result<bool, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| unusable(path, &error))?;
    // kubectl's own lock: it makes this file and refuses to write while it is there.
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let lock = File::create_new(&lock_path).map_err(|error| {
        unusable(path, &error).hint(format!("if no kubectl is writing to it: rm {}", lock_path.display()))
    })?;
    let result = edit_locked(path, change);
    drop(lock);
    fs::remove_file(&lock_path).map_err(|error| unusable(&lock_path, &error))?;
    result
}

fn edit_locked(path: &Path, change: impl FnOnce(&mut Value)) -> Result<bool, Failure> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| unusable(path, &error))?,
    };
    let before = if text.trim().is_empty() {
        json!({"apiVersion": "v1", "kind": "Config", "preferences": {}, "clusters": [], "users": [], "contexts": []})
    } else {
        parse(&text, path)?
    };
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(false);
    }
    let backup = PathBuf::from(format!("{}.before-orchestrator", path.display()));
    if !text.is_empty() && !backup.exists() {
        write_private(&backup, &text).map_err(|error| unusable(&backup, &error))?;
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_private(&target, &render(&after)).map_err(|error| unusable(path, &error))?;
    Ok(true)
}

fn parse(text: &str, path: &Path) -> Result<Value, Failure> {
    let config: Value = serde_saphyr::from_str(text).map_err(|error| unusable(path, &error))?;
    if config.is_object() { Ok(config) } else { Err(unusable(path, &"it is not a kubeconfig")) }
}

fn render(config: &Value) -> String {
    serde_saphyr::to_string(config).expect("a JSON tree can be written as YAML")
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(&KUBECONFIG_UNUSABLE, format!("cannot use the kubeconfig {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const K3S: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: default\n  cluster: {server: 'https://127.0.0.1:6443', certificate-authority-data: ZGVmYXVsdA==}\nusers:\n- name: default\n  user: {token: x}\ncontexts:\n- name: default\n  context: {cluster: default, user: default}\ncurrent-context: default\n";

    #[test]
    fn k3s_kubeconfig_is_renamed_by_structure_and_not_by_text() {
        let renamed = rename(K3S, "school", "https://10.0.0.4:6443", Some("school")).unwrap();
        let config = parse(&renamed, Path::new("x")).unwrap();
        assert_eq!(config["current-context"], "school");
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://10.0.0.4:6443");
        assert_eq!(config["clusters"][0]["cluster"]["certificate-authority-data"], "ZGVmYXVsdA==");
    }

    #[test]
    fn merging_keeps_what_is_there_and_unmerging_takes_only_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kube/config");
        let theirs = rename(K3S, "work", "https://work:6443", None).unwrap();
        assert!(merge(&path, &theirs).unwrap());
        let ours = rename(K3S, "school", "https://127.0.0.1:1", None).unwrap();
        assert!(merge(&path, &ours).unwrap());
        assert!(!merge(&path, &ours).unwrap());
        let names = |path: &Path| -> Vec<String> {
            let config = parse(&fs::read_to_string(path).unwrap(), path).unwrap();
            config["contexts"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().into()).collect()
        };
        assert_eq!(names(&path), ["work", "school"]);
        assert!(unmerge(&path, "school").unwrap());
        assert_eq!(names(&path), ["work"]);
        assert!(!unmerge(&path, "school").unwrap());
        assert_eq!(names(&folder.path().join("kube/config.before-orchestrator")), ["work"]);
    }

    #[test]
    fn a_file_that_is_no_kubeconfig_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, "just words").unwrap();
        assert!(merge(&path, K3S).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "just words");
        assert!(!folder.path().join("config.lock").exists());
    }
}

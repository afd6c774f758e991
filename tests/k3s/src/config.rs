//! Settings: files, then environment, then flags, the later ones first.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    keys::{KEYS, Kind, Who, find},
    log::{self, Fatal},
    paths::host_root,
};

/// The settings of `k3s server` or `k3s agent`.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Settings(BTreeMap<&'static str, Vec<String>>);

impl Settings {
    /// Reads the configuration files, `variable`s of the environment, and the arguments behind the command.
    ///
    /// An unknown flag is fatal. An unknown key in a file is fatal to an agent, while a server warns and goes on:
    /// K3s checks the keys of a file against the command's flags for `server` only.
    ///
    /// # Errors
    /// In K3s's words.
    pub fn read(command: Who, arguments: &[String], variable: impl Fn(&str) -> Option<String>) -> Result<Self, Fatal> {
        let flags = Self::flags(command, arguments)?;
        let mut settings = Self::default();
        for key in KEYS.iter().filter(|key| !key.variable.is_empty() && (key.who == Who::Both || key.who == command)) {
            if let Some(value) = variable(key.variable).filter(|value| !value.is_empty()) {
                settings.0.insert(key.name, vec![value]);
            }
        }
        let named = variable("K3S_CONFIG_FILE").or_else(|| flags.text("config").map(str::to_owned));
        for (name, values) in files(named.as_deref())? {
            match find(command, &name) {
                Some(key) => drop(settings.0.insert(key.name, values)),
                None if command == Who::Server => {
                    log::warning(format!("Unknown flag --{name} found in config.yaml, skipping\n"));
                }
                None => return Err(unknown(&name)),
            }
        }
        for (name, values) in flags.0 {
            let list = find(command, name).is_some_and(|key| key.kind == Kind::List);
            match settings.0.get_mut(name).filter(|_| list) {
                Some(before) => before.extend(values),
                None => drop(settings.0.insert(name, values)),
            }
        }
        Ok(settings)
    }

    fn flags(command: Who, arguments: &[String]) -> Result<Self, Fatal> {
        let mut flags = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
                return Err(Fatal(format!("invalid argument {argument:?}")));
            };
            let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            let key = find(command, name).ok_or_else(|| unknown(name))?;
            let value = match (key.kind, value) {
                (_, Some(value)) => value.to_owned(),
                (Kind::Switch, None) => "true".into(),
                (_, None) => rest.next().cloned().ok_or_else(|| Fatal(format!("flag needs an argument: -{name}")))?,
            };
            let values = flags.0.entry(key.name).or_default();
            if key.kind != Kind::List {
                values.clear();
            }
            values.push(value);
        }
        Ok(flags)
    }

    /// Returns a setting, if it is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.last().map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Returns whether a switch is on.
    pub fn on(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| matches!(text, "true" | "1" | "t" | "T" | "TRUE" | "True"))
    }

    /// Returns the values of a list. Commas separate too, except in arguments for other programs.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let values = self.0.get(name).into_iter().flatten().map(String::as_str);
        if name.ends_with("-arg") || name.starts_with("node-label") || name.starts_with("node-taint") {
            return values.collect();
        }
        values.flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    /// Returns the value of an argument for the kubelet, as `node-status-update-frequency=1s` has.
    pub fn kubelet_argument(&self, name: &str) -> Option<&str> {
        let arguments = self.list("kubelet-arg").into_iter().rev();
        arguments
            .filter_map(|argument| argument.trim_start_matches('-').split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Returns the secret that is given as a value or in a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<String>, Fatal> {
        let Some(file) = self.text(&format!("{name}-file")).filter(|_| self.text(name).is_none()) else {
            return Ok(self.text(name).map(str::to_owned));
        };
        let text = fs::read_to_string(file).map_err(|error| opening(Path::new(file), &error))?;
        Ok(Some(text.trim().to_owned()).filter(|secret| !secret.is_empty()))
    }
}

fn unknown(name: &str) -> Fatal {
    Fatal(format!("flag provided but not defined: -{name}"))
}

fn opening(path: &Path, error: &io::Error) -> Fatal {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    };
    Fatal(format!("open {}: {why}", path.display()))
}

/// Reads `config.yaml` and then what is in `config.yaml.d/`, in order; `key+` adds to what came before.
fn files(named: Option<&str>) -> Result<BTreeMap<String, Vec<String>>, Fatal> {
    let main = named.map_or_else(|| host_root().join("etc/rancher/k3s/config.yaml"), PathBuf::from);
    if named.is_some() && !main.exists() {
        return Err(opening(&main, &io::Error::from(io::ErrorKind::NotFound)));
    }
    let mut folder = main.as_os_str().to_owned();
    folder.push(".d");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut more: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml")).collect();
    more.sort();
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for file in std::iter::once(main).chain(more).filter(|file| file.exists()) {
        let text = fs::read_to_string(&file).map_err(|error| opening(&file, &error))?;
        let document: Value = serde_saphyr::from_str(&text).map_err(|error| Fatal(format!("yaml: {error}")))?;
        for (key, value) in document.as_object().into_iter().flatten() {
            let value = strings(value);
            match key.strip_suffix('+') {
                Some(key) => values.entry(key.to_owned()).or_default().extend(value),
                None => drop(values.insert(key.clone(), value)),
            }
        }
    }
    Ok(values)
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null => vec![String::new()],
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: Who, folder: &Path, arguments: &[&str]) -> Result<Settings, String> {
        let file = folder.join("config.yaml").display().to_string();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let variable = |name: &str| match name {
            "K3S_CONFIG_FILE" => Some(file.clone()),
            "K3S_TOKEN" => Some("from-environment".to_owned()),
            _ => None,
        };
        Settings::read(command, &arguments, variable).map_err(|Fatal(why)| why)
    }

    #[test]
    fn files_are_merged_in_order_and_flags_win() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), "tls-san: [a]\nnode-name: one\nsecrets-encryption: true\n")
            .unwrap();
        fs::create_dir(folder.path().join("config.yaml.d")).unwrap();
        fs::write(folder.path().join("config.yaml.d/2.yaml"), "tls-san+: [c]\nnode-name: two\n").unwrap();
        fs::write(folder.path().join("config.yaml.d/1.yaml"), "tls-san+: b\n").unwrap();
        let settings = read(Who::Server, folder.path(), &["--node-name=three", "--tls-san", "d"]).unwrap();
        assert_eq!(settings.list("tls-san"), ["a", "b", "c", "d"]);
        assert_eq!(settings.text("node-name"), Some("three"));
        assert_eq!(settings.text("token"), Some("from-environment"));
        assert!(settings.on("secrets-encryption"));
    }

    #[test]
    fn unknown_settings_are_refused_except_in_a_servers_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), "cluster-init: true\n").unwrap();
        let undefined = |name: &str| Err(format!("flag provided but not defined: -{name}"));
        assert_eq!(read(Who::Agent, folder.path(), &[]), undefined("cluster-init"));
        assert_eq!(read(Who::Server, folder.path(), &["--nonsense=1"]), undefined("nonsense"));
        fs::write(folder.path().join("config.yaml"), "nonsense: true\ncluster-init: true").unwrap();
        assert!(read(Who::Server, folder.path(), &[]).unwrap().on("cluster-init"));
    }
}

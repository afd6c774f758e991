//! The pipelines of `provision/ci/` call commands and set variables that exist. `tests/run` holds them against the schemas
//! of GitLab and GitHub too.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

const PROGRAM: &str = "./orchestrator ";

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn pipelines() -> [String; 2] {
    ["provision/ci/gitlab-ci.yml", "provision/ci/github-actions.yml"].map(file)
}

/// Returns every text below a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Returns the source files of the program, as one text.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap_or_default() })
        .collect()
}

#[test]
fn they_call_commands_that_exist() {
    for pipeline in pipelines() {
        let parsed: Value = serde_saphyr::from_str(&pipeline).unwrap();
        let texts = texts(&parsed);
        let called: Vec<_> =
            texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix(PROGRAM)).collect();
        for command in ["create", "test", "build", "destroy"] {
            assert!(called.iter().any(|line| line.starts_with(command)), "nothing calls `{command}`");
        }
        for line in called {
            let words = line.split(" || ").next().unwrap().split(' ').chain(["--help"]);
            let output = Command::new(env!("CARGO_BIN_EXE_orchestrator")).args(words).env_clear().output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn they_set_variables_that_are_read() {
    let known = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for pipeline in pipelines() {
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let words = pipeline.split(|c: char| !is_name(c)).filter(|word| word.starts_with("ORCHESTRATOR_"));
        let words: BTreeSet<_> = words.collect();
        assert!(words.len() >= 3, "{words:?}");
        for word in words {
            assert!(known.contains(&format!("\"{word}\"")), "nothing reads {word}");
        }
    }
}

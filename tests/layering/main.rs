//! Holds the sources against the architecture: which room may use which, and what no room may hold.

#![allow(clippy::disallowed_methods, reason = "a test")]

mod source;

use source::{Source, Use, read_all};

/// What a room may use of the crate besides itself. A path with `::` allows only what is below it.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
    /// Whether its files or folders may use each other.
    siblings: bool,
}

const fn room(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room { name, may_use, siblings: true }
}

/// The table of DESIGN section 3.
const ROOMS: &[Room] = &[
    room("model", &[]),
    room("failure", &[]),
    room("config", &["model", "failure"]),
    // The faults of a rehearsal are data that the configuration holds and the rehearsal reads.
    room("plan", &["config", "model", "failure", "rehearsal::faults"]),
    room("effects", &["model", "failure"]),
    Room { siblings: false, ..room("providers", &["effects", "config", "model", "failure", "rehearsal"]) },
    room("engine", &["model", "failure"]),
    Room { siblings: false, ..room("steps", &["engine", "effects", "providers", "plan", "model", "failure"]) },
    room("flows", &["steps", "engine", "effects", "providers", "plan", "model", "failure"]),
    room("report", &["engine", "model", "failure"]),
    room("rehearsal", &["model", "failure"]),
    room(
        "cli",
        &[
            "config",
            "effects",
            "engine",
            "failure",
            "flows",
            "model",
            "plan",
            "providers",
            "rehearsal",
            "report",
            "steps",
        ],
    ),
    room("main", &[]),
];

/// What touches the outside or is asynchronous, and the rooms that may.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("std::fs", &["effects", "providers", "rehearsal", "cli"]),
    ("std::env::consts", &["effects", "providers", "rehearsal", "cli"]),
    ("std::env", &["effects", "providers", "cli"]),
    ("std::process", &["effects", "providers", "rehearsal", "cli", "main"]),
    ("std::net::TcpStream", &["effects", "providers", "rehearsal"]),
    ("std::net::TcpListener", &["effects", "providers", "rehearsal"]),
    ("tokio::fs", &["effects", "providers", "rehearsal", "cli"]),
    ("tokio::process", &["effects", "providers"]),
    ("tokio::net", &["effects", "providers", "rehearsal"]),
    ("tokio::spawn", &["rehearsal", "cli"]),
    ("tokio", &["effects", "providers", "rehearsal", "engine", "steps", "flows", "cli"]),
];

#[test]
fn rooms_use_only_what_the_table_allows() {
    let broken: Vec<_> = read_all().iter().flat_map(forbidden_arrows).collect();
    assert!(broken.is_empty(), "forbidden arrows:\n{}", broken.join("\n"));
}

fn forbidden_arrows(source: &Source) -> Vec<String> {
    let Some(name) = source.module.first() else { return Vec::new() };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!("{}: `{name}` is not in the table", source.file)];
    };
    let uses = source.uses(&["orchestrator"]);
    let forbidden = uses.into_iter().filter(|used| !allowed(room, source, used));
    forbidden
        .map(|used| format!("{}:{}: {} -> {}", source.file, used.line, room.name, used.path[1..].join("::")))
        .collect()
}

fn allowed(room: &Room, source: &Source, used: &Use) -> bool {
    let path = &used.path[1..];
    // `use super::*` of a top-level module names the root itself, which holds modules only.
    let Some(target) = path.first() else { return true };
    if target == room.name {
        let inside = |module: &[String]| module.get(1).cloned();
        let shared = |module: &[String]| module.len() < 2 || !is_file_or_folder(room.name, &module[1]);
        return room.siblings || source.module.len() < 2 || shared(path) || inside(path) == inside(&source.module);
    }
    if room.name == "main" {
        return true;
    }
    room.may_use.iter().any(|allowed| allowed.split("::").zip(path).all(|(a, b)| a == b))
}

fn is_file_or_folder(room: &str, name: &str) -> bool {
    let path = std::path::Path::new("src").join(room).join(name);
    path.is_dir() || path.with_extension("rs").is_file()
}

#[test]
fn only_the_rooms_at_the_edge_touch_the_outside() {
    let mut broken = Vec::new();
    for source in read_all() {
        let Some(room) = source.module.first().map(String::as_str) else { continue };
        for used in source.uses(&["std", "tokio"]).iter().filter(|used| !used.in_tests) {
            let path = used.path.join("::");
            let rule = OUTSIDE.iter().find(|(what, _)| path == *what || path.starts_with(&format!("{what}::")));
            if rule.is_some_and(|(_, rooms)| !rooms.contains(&room)) {
                broken.push(format!("{}:{}: {room} -> {path}", source.file, used.line));
            }
        }
    }
    assert!(broken.is_empty(), "these rooms do not touch the outside:\n{}", broken.join("\n"));
}

#[test]
fn config_plan_and_report_do_not_wait() {
    for source in read_all() {
        let room = source.module.first().map_or("", String::as_str);
        let waits = ["model", "failure", "config", "plan", "report"].contains(&room)
            && source.text[..source.tests_at].contains(".await");
        assert!(!waits, "{} is asynchronous", source.file);
    }
}

#[test]
fn the_engine_knows_nothing_of_k3s() {
    for source in read_all().iter().filter(|source| source.file.starts_with("src/engine/")) {
        let code = source.text[..source.tests_at].lines().filter(|line| !line.trim_start().starts_with("//"));
        for word in ["k3s", "kube", "ssh"] {
            let found = code.clone().find(|line| line.to_lowercase().contains(word));
            assert_eq!(found, None, "{} speaks of {word}", source.file);
        }
    }
}

#[test]
fn one_folder_knows_which_library_speaks_ssh() {
    for source in read_all().iter().filter(|source| !source.file.starts_with("src/effects/ssh/")) {
        assert!(!source.text.contains("russh"), "{} names russh", source.file);
    }
}

#[test]
fn files_are_split_before_500_lines() {
    for source in read_all().iter().filter(|source| source.tests_at > 0) {
        assert!(source.lines() <= 500, "{} has {} lines before its tests", source.file, source.lines());
    }
}

#[test]
fn every_folder_says_what_it_is_for() {
    for source in read_all() {
        let folder = source.file.ends_with("/mod.rs")
            || std::path::Path::new(source.file.trim_end_matches(".rs")).is_dir()
            || source.module.len() == 1 && source.file != "src/main.rs";
        assert!(!folder || source.text.starts_with("//!"), "{} does not begin with `//!`", source.file);
    }
}

#[test]
fn nothing_is_left_to_be_done() {
    for source in read_all() {
        for word in ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX", "TODO"] {
            let at = source.text.find(word).map(|at| source.text[..at].lines().count());
            assert_eq!(at, None, "{} says {word} on this line", source.file);
        }
    }
}

/// Returns the paths that a file with this text uses.
fn paths(file: &str, text: &str) -> Vec<String> {
    Source::new(file, text.into()).uses(&["std"]).iter().map(|used| used.path.join("::")).collect()
}

#[test]
fn groups_are_taken_apart_and_supers_resolved() {
    let text = "use std::{fs, io::{self, Write}};\nuse super::{Run, event::*};\n// crate::cli\nlet x = crate::a::b();";
    assert_eq!(
        paths("src/engine/scope.rs", text),
        ["std::fs", "std::io::self", "std::io::Write", "crate::engine::Run", "crate::engine::event", "crate::a::b"]
    );
    let tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::super::y;\n}";
    assert_eq!(paths("src/steps/x.rs", tests), ["crate::steps::x", "crate::steps::y"]);
}

#[test]
fn a_forbidden_arrow_is_found_and_named() {
    let arrows = |file, text: &str| forbidden_arrows(&Source::new(file, text.into()));
    let text = "//! x\nuse crate::{failure::Failure, report::{self, Tty}};";
    assert_eq!(
        arrows("src/engine/x.rs", text),
        ["src/engine/x.rs:2: engine -> report::self", "src/engine/x.rs:2: engine -> report::Tty"]
    );
    assert_eq!(
        arrows("src/steps/stage_k3s.rs", "use super::create_machines::create_machines;"),
        ["src/steps/stage_k3s.rs:1: steps -> steps::create_machines::create_machines"]
    );
    assert!(arrows("src/steps/deploy/world.rs", "use super::request::send;").is_empty());
}

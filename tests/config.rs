//! `orchestrator.toml`: what is accepted, what is refused, and how that is said.
//!
//! Each `tests/config/invalid-*.toml` has the expected message beside it; `UPDATE_EXPECTED=1` writes them anew.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use orchestrator::{
    config::{self, Config, Overrides, Problems},
    failure::Failure,
    model::{ProviderKind, Role},
    plan::{self, cluster::SecretValue},
};
use proptest::prelude::*;

fn fixtures(prefix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let entries = fs::read_dir(folder).expect("the fixtures' folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a fixture").path()).collect();
    files
        .retain(|file| file.extension().is_some_and(|extension| extension == "toml") && name(file).starts_with(prefix));
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().expect("a file").to_string_lossy().into_owned()
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("orchestrator.toml")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a readable file")
}

fn parse(file: &str, text: &str) -> Result<Config, Problems> {
    config::parse(file, text, &Overrides::default())
}

static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&config::schema()).expect("a valid schema"));

#[test]
fn valid_files_are_accepted_and_valid_by_the_schema() {
    let files = fixtures("valid-");
    assert!(files.len() >= 8);
    for file in files.iter().chain([&shipped()]) {
        let text = read(file);
        if let Err(problems) = parse(&name(file), &text) {
            panic!("{problems}");
        }
        let value: serde_json::Value = toml::from_str(&text).expect("TOML");
        let errors: Vec<_> = SCHEMA.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", name(file));
    }
}

#[test]
fn invalid_files_are_refused_in_these_words() {
    let files = fixtures("invalid-");
    assert!(files.len() >= 30);
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut different = Vec::new();
    for file in files {
        let problems = parse(&name(&file), &read(&file)).expect_err(&name(&file));
        let said = format!("{problems}\n");
        let expected = file.with_extension("txt");
        if update {
            fs::write(&expected, &said).expect("a writable folder");
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            different.push(format!("{}:\n{said}", name(&file)));
        }
    }
    assert!(different.is_empty(), "not as expected (UPDATE_EXPECTED=1 writes them anew):\n{}", different.join("\n"));
}

fn accepted(text: &str, overrides: &Overrides) -> Config {
    config::parse("orchestrator.toml", text, overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_shipped_file_is_a_rehearsal_of_the_microservices() {
    let config = accepted(&read(&shipped()), &Overrides::default());
    let cluster = plan::resolve(&config, Path::new("/course"));
    assert_eq!(cluster.provider, ProviderKind::Rehearsal);
    let machines: Vec<_> = cluster.machines.iter().map(|machine| (machine.name.as_str(), machine.memory)).collect();
    assert_eq!(machines, [("microservices-server-1", 2 << 30), ("microservices-agent-1", 2 << 30)]);
    let [stack] = cluster.stacks.as_slice() else { panic!("one stack") };
    assert_eq!((stack.name.as_str(), stack.namespace.as_str()), ("microservices", "microservices"));
    assert_eq!(stack.manifests, Path::new("/course/manifests/microservices"));
    let secrets: Vec<_> = stack.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(secrets, ["billing-database", "inventory-database", "rabbitmq"]);
    assert!(stack.secrets.iter().all(|secret| secret.entries.iter().any(|(_, v)| *v == SecretValue::Random(24))));
    assert_eq!(cluster.k3s.config["disable"], serde_json::json!(["traefik"]));
    assert_eq!(cluster.faults, plan::cluster::Faults::default());
}

#[test]
fn faults_name_machines_in_full_after_resolving() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let config = accepted(&read(&folder.join("valid-faults.toml")), &Overrides::default());
    let faults = plan::resolve(&config, Path::new("/")).faults;
    assert_eq!(faults.never_join, ["lesson-agent-2"]);
    assert_eq!(faults.unit_fails, ["lesson-agent-1"]);
    let second = Duration::from_secs(1);
    let expected = [("lesson-agent-1".to_owned(), 20 * second), ("lesson-server-1".to_owned(), 90 * second)];
    assert_eq!(faults.slow_boot, expected);
}

#[test]
fn hosts_are_the_machines_of_ssh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let config = accepted(&read(&folder.join("valid-ssh.toml")), &Overrides::default());
    let machines = plan::resolve(&config, Path::new("/")).machines;
    let machines: Vec<_> = machines.iter().map(|machine| (machine.name.as_str(), machine.role)).collect();
    assert_eq!(machines, [("rack-server-1", Role::Server), ("big-one", Role::Agent), ("rack-agent-2", Role::Agent)]);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let overrides = Overrides { cluster_name: Some("mine".into()), provider: Some(ProviderKind::Vagrant) };
    let config = accepted(&read(&shipped()), &overrides);
    let cluster = plan::resolve(&config, Path::new("/"));
    assert_eq!((cluster.name.as_str(), cluster.provider), ("mine", ProviderKind::Vagrant));
    assert_eq!(cluster.machines[0].name, "mine-server-1");
}

#[test]
fn the_command_line_is_held_to_the_same_rules() {
    let overrides = Overrides { cluster_name: Some("My Lab".into()), provider: Some(ProviderKind::Ssh) };
    let problems = config::parse("orchestrator.toml", &read(&shipped()), &overrides).expect_err("two bad flags");
    let failure = Failure::from(problems);
    assert_eq!((failure.exit_code(), failure.what.as_str()), (2, "`orchestrator.toml` has 2 problems"));
    let output = failure.output.expect("the problems");
    assert!(output.starts_with("error: `--cluster`: `My Lab` has the capital `M`"), "{output}");
    assert!(output.contains("error: `--provider`: `ssh` needs machines"), "{output}");
}

fn fixture() -> impl Strategy<Value = String> {
    let files: Vec<_> = fixtures("valid-").into_iter().chain([shipped()]).map(|file| read(&file)).collect();
    proptest::sample::select(files)
}

/// Whatever the text, the answer is a configuration that the schema accepts too, or problems inside the text.
fn answers(text: &str) {
    match parse("mutated.toml", text) {
        Ok(_) => {
            let value: serde_json::Value = toml::from_str(text).expect("TOML");
            assert!(SCHEMA.is_valid(&value), "accepted, and not by the schema");
        }
        Err(problems) => shown(text, &problems),
    }
}

fn shown(text: &str, problems: &Problems) {
    assert!(!problems.problems.is_empty());
    assert!(!problems.to_string().is_empty());
    for place in problems.problems.iter().filter_map(|problem| problem.place.as_ref()) {
        assert!(text.get(place.span.clone()).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        answers(&text);
    }

    #[test]
    fn anything_like_toml_gets_an_answer(text in "([a-z]{1,3}|\\[|\\]|\\{|\\}|=|\"|'|,|\\.|#|\n|\r|\t|-|1|é| ){0,60}") {
        answers(&text);
    }

    #[test]
    fn flipped_bytes_get_an_answer(text in fixture(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = text.into_bytes();
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn deleted_lines_get_an_answer(text in fixture(), keep in prop::collection::vec(any::<bool>(), 120)) {
        let kept: Vec<&str> = text.lines().zip(keep).filter(|(_, keep)| *keep).map(|(line, _)| line).collect();
        answers(&kept.join("\n"));
    }

    #[test]
    fn swapped_tokens_get_an_answer(text in fixture(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let mut tokens: Vec<&str> = text.split_inclusive([' ', '\n', '.', '"']).collect();
        let (a, b) = (a.index(tokens.len()), b.index(tokens.len()));
        tokens.swap(a, b);
        answers(&tokens.concat());
    }
}

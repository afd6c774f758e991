//! `orchestrator.toml`: what is accepted, what is refused, and how that is said.
//!
//! Each `tests/config/invalid-*.toml` has the expected message beside it; `UPDATE_EXPECTED=1` writes them anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use orchestrator::config::{self, Config, Overrides, Problems};
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

#[test]
fn valid_files_are_accepted_and_valid_by_the_schema() {
    let validator = jsonschema::validator_for(&config::schema()).expect("a valid schema");
    let files = fixtures("valid-");
    assert!(files.len() >= 8);
    for file in files.iter().chain([&shipped()]) {
        let text = read(file);
        if let Err(problems) = parse(&name(file), &text) {
            panic!("{problems}");
        }
        let value: serde_json::Value = toml::from_str(&text).expect("TOML");
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
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

fn fixture() -> impl Strategy<Value = String> {
    let files: Vec<_> = fixtures("valid-").into_iter().chain([shipped()]).map(|file| read(&file)).collect();
    proptest::sample::select(files)
}

/// Whatever the text, the answer is a configuration or problems that can be shown, each inside the text.
fn answers(text: &str) {
    if let Err(problems) = parse("mutated.toml", text) {
        assert!(!problems.problems.is_empty());
        assert!(!problems.to_string().is_empty());
        for place in problems.problems.iter().filter_map(|problem| problem.place.as_ref()) {
            assert!(text.get(place.span.clone()).is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

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

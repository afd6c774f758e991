//! The catalogue of failures: all in the README, none without a use.
//!
//! `UPDATE_EXPECTED=1` writes the README's table anew.

use std::{fs, path::Path};

use orchestrator::failure::CATALOGUE;

const BEGIN: &str = "<!-- failures -->\n";
const END: &str = "<!-- /failures -->";

fn table() -> String {
    let rows =
        CATALOGUE.iter().map(|entry| format!("| `{}` | {} | {} |\n", entry.id, entry.kind.exit_code(), entry.meaning));
    format!("| failure | exit code | meaning |\n|---|---|---|\n{}", rows.collect::<String>())
}

#[test]
fn the_readme_lists_every_failure() {
    let readme = fs::read_to_string("README.md").expect("a README");
    let (before, rest) = readme.split_once(BEGIN).expect("a place for the table");
    let (shown, after) = rest.split_once(END).expect("an end of the table");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write("README.md", [before, BEGIN, &table(), END, after].concat()).expect("a writable README");
    } else {
        assert_eq!(shown, table(), "UPDATE_EXPECTED=1 cargo test --test failures writes the table");
    }
}

#[test]
fn every_failure_can_happen() {
    let catalogue = fs::read_to_string("src/failure/catalogue.rs").expect("the catalogue");
    let names = catalogue.lines().filter_map(|line| line.split_once(" = \"").map(|(name, _)| name.trim()));
    let mut sources = String::new();
    read(Path::new("src"), &mut sources);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let unused: Vec<_> = names.filter(|name| !sources.split(|c| !is_word(c)).any(|word| word == *name)).collect();
    assert!(unused.is_empty(), "nothing ends with {unused:?}");
}

fn read(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, text);
        } else if path.file_name().is_some_and(|name| name != "catalogue.rs") {
            text.push_str(&fs::read_to_string(path).unwrap_or_default());
        }
    }
}

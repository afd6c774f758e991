//! The README is true: its configuration is accepted, its problems are what is printed, its commands exist.

use std::{fs, path::Path, process::Command};

use orchestrator::config::{self, Overrides};

/// What the README's problems are told about.
const INVALID: &str = "\
version = 1

[cluster]
name = \"microservices\"
serverz = 2
provider = \"rehersal\"

[machine]
memory = \"2 gigs\"
";

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README")
}

fn orchestrator(arguments: &[&str], folder: &Path) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr))
}

/// Returns the code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn its_configuration_is_accepted() {
    let blocks = blocks("toml");
    assert!(blocks.len() >= 2);
    for block in blocks {
        let rest = "version = 1\n[cluster]\nname = \"microservices\"\nprovider = \"rehearsal\"\nagents = 1\n\
                    [stacks.microservices]\nmanifests = \"manifests\"\n";
        let text = format!("{rest}{block}");
        if let Err(problems) = config::parse("README.md", &text, &Overrides::default()) {
            panic!("{problems}");
        }
    }
}

#[test]
fn its_problems_are_what_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("orchestrator.toml"), INVALID).expect("a file");
    let (_, printed) = orchestrator(&["create"], folder.path());
    let squeezed =
        |text: &str| text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let readme = readme();
    let shown = readme.split("<!-- problems -->").nth(1).and_then(|rest| rest.split("<!-- /problems -->").next());
    let shown = shown.expect("the block").replace("```text", "").replace("```", "");
    assert_eq!(squeezed(&shown), squeezed(&printed), "what is printed:\n{printed}");
}

#[test]
fn its_commands_are_those_of_the_program() {
    let (help, _) = orchestrator(&["--help"], Path::new("/"));
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<_> = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let commands: Vec<_> = commands.into_iter().filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(commands.len() >= 14, "{help}");
    let readme = readme();
    for command in commands {
        assert!(readme.contains(&format!("`{command}")), "the README does not name `{command}`");
    }
}

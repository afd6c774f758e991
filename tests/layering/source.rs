//! Reads the sources as far as the rules need it: which file uses which path on which line.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file of the crate.
pub struct Source {
    /// Relative to the repository, such as `src/engine/run.rs`.
    pub file: String,
    /// The module it is, such as `["engine", "run"]`.
    pub module: Vec<String>,
    pub text: String,
    /// Where test code begins; the length of the text if there is none.
    pub tests_at: usize,
}

/// A path that a file uses.
#[derive(Debug, PartialEq, Eq)]
pub struct Use {
    pub line: usize,
    /// From the root: `["crate", "engine", "Run"]`, `["std", "fs"]`.
    pub path: Vec<String>,
    pub in_tests: bool,
}

impl Source {
    pub fn new(file: &str, text: String) -> Self {
        let path = file.trim_start_matches("src/").trim_end_matches(".rs");
        let module = path.split('/').filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_owned).collect();
        let tests_at = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        Self { file: file.into(), module, text, tests_at }
    }

    /// Returns the paths below `crate`, `super` (resolved) and these outside crates.
    pub fn uses(&self, outside: &[&str]) -> Vec<Use> {
        let code = blank_comments(&self.text);
        let mut uses = Vec::new();
        for (at, word) in words(&code) {
            let after = code[at + word.len()..].trim_start();
            let begins = !code[..at].trim_end().ends_with("::");
            if !begins || !after.starts_with("::") || !(matches!(word, "crate" | "super") || outside.contains(&word)) {
                continue;
            }
            let in_tests = at >= self.tests_at;
            for path in expand(&code[at..]) {
                let path = if word == "super" { self.resolve(&path, in_tests) } else { path };
                uses.push(Use { line: self.text[..at].lines().count(), path, in_tests });
            }
        }
        uses
    }

    /// Turns `super::super::x` into a path from the crate's root. The one inline module is `tests`.
    fn resolve(&self, path: &[String], in_tests: bool) -> Vec<String> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let stay = (self.module.len() + usize::from(in_tests)).saturating_sub(ups).min(self.module.len());
        let base = self.module[..stay].iter().cloned();
        std::iter::once("crate".to_owned()).chain(base).chain(path[ups..].iter().cloned()).collect()
    }

    /// Returns how many lines there are before the tests.
    pub fn lines(&self) -> usize {
        self.text[..self.tests_at].lines().count()
    }
}

/// Returns every `.rs` file below `src/`; files that exist for tests only are marked so from their first byte.
pub fn read_all() -> Vec<Source> {
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    let mut sources: Vec<_> = files
        .iter()
        .map(|path| Source::new(&path.to_string_lossy(), fs::read_to_string(path).expect("a readable source")))
        .collect();
    let test_modules: Vec<Vec<String>> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        if test_modules.iter().any(|module| source.module.starts_with(module)) {
            source.tests_at = 0;
        }
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Returns the modules that `#[cfg(test)] mod name;` declares.
fn test_modules(source: &Source) -> Vec<Vec<String>> {
    let declarations = source.text.split("#[cfg(test)]\n").skip(1);
    let names = declarations.filter_map(|rest| {
        let (name, _) = rest.strip_prefix("pub ").unwrap_or(rest).strip_prefix("mod ")?.split_once(';')?;
        (!name.contains('{')).then(|| name.to_owned())
    });
    names.map(|name| source.module.iter().cloned().chain([name]).collect()).collect()
}

/// Replaces line comments by spaces, so that positions stay.
fn blank_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let kept = if line.trim_start().starts_with("//") { line.len() - line.trim_start().len() } else { line.len() };
        code.push_str(&line[..kept]);
        code.extend(line[kept..].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|c| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// Returns the paths that a path with groups stands for: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(code: &str) -> Vec<Vec<String>> {
    let end = code.find(|c| !is_word(c)).unwrap_or(code.len());
    let head = code[..end].to_owned();
    let rest = code[end..].trim_start();
    let Some(tail) = rest.strip_prefix("::").map(str::trim_start) else { return vec![vec![head]] };
    let tails = match tail.strip_prefix('{') {
        Some(group) => members(group).into_iter().flat_map(expand).collect(),
        None if tail.starts_with(is_word) => expand(tail),
        None => vec![Vec::new()],
    };
    tails.into_iter().map(|tail| std::iter::once(head.clone()).chain(tail).collect()).collect()
}

/// Splits what follows an opening brace at the commas of its own level.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        let ends = depth == 0 && matches!(c, ',' | '}');
        if ends {
            members.push(group[from..at].trim());
            from = at + 1;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

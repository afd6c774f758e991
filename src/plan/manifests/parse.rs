//! From the text of YAML files to checked objects, with every problem of every file at once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Identity, Manifest, ManifestProblem, scope};

/// Parses the files of one stack. Objects of known namespaced kinds that name no namespace get `namespace`.
///
/// # Errors
/// Returns everything that is wrong: syntax, missing `apiVersion`, `kind` or `metadata.name`, `generateName`, and
/// objects that are declared twice.
pub fn parse(files: &[(PathBuf, String)], namespace: &str) -> Result<Vec<Manifest>, Vec<ManifestProblem>> {
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    for (file, text) in files {
        for document in documents(text) {
            match values(file, &document) {
                Ok(values) => {
                    for value in values {
                        add(file, document.line, value, &mut manifests, &mut problems);
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    scope::fill_in_namespaces(&mut manifests, namespace);
    problems.extend(duplicates(&manifests));
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

/// Finds objects that more than one stack declares: both would claim them, and prune what the other wants.
pub fn conflicts<'a>(stacks: impl IntoIterator<Item = (&'a str, &'a [Manifest])>) -> Vec<ManifestProblem> {
    let mut owners: BTreeMap<Identity, (&str, &Manifest)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (stack, manifests) in stacks {
        for manifest in manifests {
            let identity = manifest.identity();
            match owners.get(&identity) {
                Some((owner, first)) if *owner != stack => problems.push(ManifestProblem::new(
                    &manifest.file,
                    manifest.line,
                    format!(
                        "stack `{stack}` declares {identity}, which stack `{owner}` owns ({}:{}); an object has one stack",
                        first.file.display(),
                        first.line
                    ),
                )),
                _ => {
                    owners.insert(identity, (stack, manifest));
                }
            }
        }
    }
    problems
}

/// One document of a file: its text from the `---` on, and where it begins.
struct Document<'a> {
    text: &'a str,
    /// Lines of the file before `text`.
    before: usize,
    /// Line of the first content, from 1.
    line: usize,
}

/// Splits at `---` lines, which YAML allows nowhere inside a document: so one broken document hides no other.
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut before, mut offset, mut first_content) = (0, 0, 0, None);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marker = is_marker(line);
        if marker {
            if let Some(line) = first_content.take() {
                documents.push(Document { text: &text[start..offset], before, line });
            }
            (start, before) = (offset, index);
        }
        let content = if marker { &line[3..] } else { line }.trim_start();
        if first_content.is_none() && !content.is_empty() && !content.starts_with(['#', '%']) {
            first_content = Some(index + 1);
        }
        offset += line.len();
    }
    if let Some(line) = first_content {
        documents.push(Document { text: &text[start..], before, line });
    }
    documents
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn values(file: &Path, document: &Document) -> Result<Vec<Value>, ManifestProblem> {
    // The files are the user's own; a bundle of CRDs is far larger than the budget for untrusted input.
    let options = serde_saphyr::options! { legacy_octal_numbers: true, budget: None, with_snippet: false };
    serde_saphyr::from_multiple_with_options(document.text, options).map_err(|error| {
        let message = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let location = error.location();
        let line = location.map_or(document.line, |location| document.before + location.line() as usize);
        let column = location.map_or(1, |location| location.column() as usize).max(1);
        let snippet = document.text.lines().nth(line - document.before - 1).map(Into::into);
        ManifestProblem { file: file.into(), line, column, what: without_position(&message), snippet }
    })
}

/// Drops the parser's own line and column, which count from the document's beginning.
fn without_position(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    message.strip_prefix("error: ").unwrap_or(message).trim_end_matches([':', ',']).to_string()
}

fn add(file: &Path, line: usize, value: Value, manifests: &mut Vec<Manifest>, problems: &mut Vec<ManifestProblem>) {
    match items(value) {
        Ok(items) => {
            for item in items {
                add(file, line, item, manifests, problems);
            }
        }
        Err(Value::Null) => {}
        Err(object) => {
            let found: Vec<_> =
                missing(&object).into_iter().map(|what| ManifestProblem::new(file, line, what)).collect();
            if found.is_empty() {
                manifests.push(Manifest { file: file.into(), line, object });
            }
            problems.extend(found);
        }
    }
}

/// Returns the items of a `v1` `List` (or `ConfigMapList`, ..), or the value itself if it is no list.
fn items(mut value: Value) -> Result<Vec<Value>, Value> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items") {
        Some(Value::Array(items)) if is_list => Ok(std::mem::take(items)),
        _ => Err(value),
    }
}

fn missing(object: &Value) -> Vec<String> {
    if !object.is_object() {
        return vec!["a Kubernetes object is expected here: a mapping with `apiVersion`, `kind` and `metadata`".into()];
    }
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let subject = match (object["kind"].as_str(), object["metadata"]["name"].as_str()) {
        (Some(kind), Some(name)) => format!("{kind} `{name}`"),
        (Some(kind), None) => format!("this {kind}"),
        (None, Some(name)) => format!("object `{name}`"),
        (None, None) => "this object".into(),
    };
    let mut problems: Vec<String> = ["apiVersion", "kind"]
        .into_iter()
        .filter(|key| !is_text(&object[*key]))
        .map(|key| format!("{subject} has no `{key}`"))
        .collect();
    let metadata = &object["metadata"];
    if !metadata["generateName"].is_null() {
        problems.push(format!("{subject} has a `generateName`; each deploy would make another one: give it a `name`"));
    } else if metadata["name"].is_number() || metadata["name"].is_boolean() {
        problems.push(format!("{subject} has a `metadata.name` that is no text: put it in quotes"));
    } else if !is_text(&metadata["name"]) {
        problems.push(format!("{subject} has no `metadata.name`"));
    }
    for part in ["labels", "annotations"] {
        problems.extend(untexted(&metadata[part]).map(|what| format!("{subject} has {what} in `metadata.{part}`")));
    }
    problems
}

/// Says what is wrong with labels or annotations, which map text to text.
fn untexted(map: &Value) -> Option<String> {
    match map {
        Value::Null => None,
        Value::Object(map) => {
            let (key, value) = map.iter().find(|(_, value)| !value.is_string())?;
            Some(format!("a value that is no text, `{key}: {value}` (put it in quotes),"))
        }
        _ => Some("something that is no mapping".into()),
    }
}

fn duplicates(manifests: &[Manifest]) -> Vec<ManifestProblem> {
    let mut seen: BTreeMap<Identity, &Manifest> = BTreeMap::new();
    let mut problems = Vec::new();
    for manifest in manifests {
        let identity = manifest.identity();
        if let Some(first) = seen.get(&identity) {
            let place = format!("{}:{}", first.file.display(), first.line);
            let what = format!("{identity} is declared a second time; the first is at {place}");
            problems.push(ManifestProblem::new(&manifest.file, manifest.line, what));
        } else {
            seen.insert(identity, manifest);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{
        super::prepare::{is_up_to_date, prepare},
        *,
    };

    fn parse_one(text: &str) -> Result<Vec<Manifest>, Vec<ManifestProblem>> {
        parse(&[("a.yaml".into(), text.into())], "shop")
    }

    #[track_caller]
    fn refused(text: &str, expected: &[&str]) {
        let problems: Vec<_> = parse_one(text).expect_err("refused").iter().map(ToString::to_string).collect();
        let heads: Vec<_> = problems.iter().map(|problem| problem.lines().next().unwrap_or_default()).collect();
        assert_eq!(heads, expected);
    }

    const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

    #[test]
    fn documents_are_found_with_their_lines() {
        let text = format!("# head\n---\n\n{CONFIG}---\n# nothing\n--- # more\n{}", CONFIG.replace(": a", ": b"));
        let manifests = parse_one(&text).expect("valid");
        let found: Vec<_> = manifests.iter().map(|m| (m.name(), m.line, m.namespace())).collect();
        assert_eq!(found, [("a", 4, Some("shop")), ("b", 11, Some("shop"))]);
    }

    #[test]
    fn lists_are_expanded() {
        let item = "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}}\n";
        let text =
            format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item.replace("NAME", "a"), item.replace("NAME", "b"));
        assert_eq!(parse_one(&text).expect("valid").len(), 2);
    }

    #[test]
    fn octal_modes_are_read_as_kubectl_reads_them() {
        let manifests = parse_one(&format!("{CONFIG}mode: 0644\nagain: 0o644\n")).expect("valid");
        assert_eq!(manifests[0].object["mode"], 420);
        assert_eq!(manifests[0].object["again"], 420);
    }

    #[test]
    fn one_broken_document_hides_no_other() {
        refused(
            "a: [\n---\nkind: X\nmetadata: {}\n---\njust text\n---\nx: 1\nx: 2\n",
            &[
                "a.yaml:1:4: unclosed bracket '['",
                "a.yaml:3:1: this X has no `apiVersion`",
                "a.yaml:3:1: this X has no `metadata.name`",
                "a.yaml:6:1: a Kubernetes object is expected here: a mapping with `apiVersion`, `kind` and `metadata`",
                "a.yaml:9:1: duplicate mapping key: x not allowed here",
            ],
        );
    }

    #[test]
    fn the_same_object_twice_is_refused_whatever_its_version() {
        let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\n---\n\
                    apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: a, namespace: shop}\n";
        refused(text, &["a.yaml:5:1: CronJob/a is declared a second time; the first is at a.yaml:1"]);
    }

    #[test]
    fn generated_and_unquoted_names_are_refused() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n---\n\
                    apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n";
        refused(
            text,
            &[
                "a.yaml:1:1: this Pod has a `generateName`; each deploy would make another one: give it a `name`",
                "a.yaml:5:1: this Pod has a `metadata.name` that is no text: put it in quotes",
            ],
        );
    }

    #[test]
    fn labels_map_text_to_text() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {v: 1}, annotations: x}\n";
        refused(
            text,
            &[
                "a.yaml:1:1: Pod `a` has a value that is no text, `v: 1` (put it in quotes), in `metadata.labels`",
                "a.yaml:1:1: Pod `a` has something that is no mapping in `metadata.annotations`",
            ],
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..24)) {
            for manifest in parse_one(&parts.concat()).into_iter().flatten() {
                let prepared = prepare(manifest, "shop", &BTreeMap::new());
                proptest::prop_assert!(is_up_to_date(&prepared.object, &prepared.object));
            }
        }
    }

    const PARTS: &[&str] = &[
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "apiVersion: v1\n",
        "kind: Secret\n",
        "kind: List\n",
        "items:\n- a\n",
        "kind: Pod\n",
        "metadata:\n",
        "metadata: {name: a}\n",
        "  name: b\n",
        "  labels: {}\n",
        "  labels: [x]\n",
        "  annotations:\n",
        "spec: {containers: [a, {image: b}]}\n",
        "stringData: {a: b}\n",
        "data: x\n",
        "status: 1\n",
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a\n",
        "{",
        "]",
        "\"",
        "|\n",
        "#",
        "\t",
        "\r\n",
        "é",
        "\u{feff}",
        "<<: ",
    ];

    #[test]
    fn two_stacks_may_not_own_one_namespace() {
        let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
        let manifests = parse_one(text).expect("valid");
        let problems = conflicts([("one", &manifests[..]), ("two", &manifests[..])]);
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "a.yaml:1:1: stack `two` declares Namespace/shop, which stack `one` owns (a.yaml:1); an object has one stack"
            ]
        );
    }
}

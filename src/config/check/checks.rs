//! `[stacks.NAME.checks]`: steps that are no step, or more than one, and names that nothing was kept by.

use std::collections::BTreeSet;

use super::Check;
use crate::config::{
    CheckStepSection,
    checks::{RANDOM, placeholders},
};

/// What a step can be.
const KINDS: [&str; 4] = ["http", "exec", "scale", "delete-pods"];

pub(super) fn check(check: &mut Check<'_>) {
    for (stack, section) in &check.config.stacks {
        for (name, section) in &section.checks {
            let steps = check.document.value(&["stacks", stack, "checks", name, "steps"]);
            if section.steps.is_empty() && steps.is_some() {
                let hint = "each is one of `http`, `exec`, `scale` and `delete-pods`".to_owned();
                check.value(&["stacks", stack, "checks", name, "steps"], "this check has no steps", hint);
            }
            // Where a step was not understood, nobody knows what it kept.
            let all_known = !check.is_explained(steps.as_ref());
            let mut kept = BTreeSet::from([RANDOM.to_owned()]);
            for (list, steps) in [("steps", &section.steps), ("finally", &section.finally)] {
                for (index, step) in steps.iter().enumerate() {
                    let at = ["stacks", stack, "checks", name, list, &index.to_string()].map(str::to_owned);
                    look_at(check, &at, step, all_known.then_some(&kept));
                    kept.extend(step.keep.keys().cloned());
                }
            }
        }
    }
}

fn look_at(check: &mut Check<'_>, at: &[String], step: &CheckStepSection, kept: Option<&BTreeSet<String>>) {
    let here: Vec<&str> = at.iter().map(String::as_str).collect();
    let is = [step.http.is_some(), step.exec.is_some(), step.scale.is_some(), step.delete_pods.is_some()];
    let kinds: Vec<_> = KINDS.into_iter().zip(is).filter_map(|(kind, is)| is.then_some(kind)).collect();
    let [kind] = kinds[..] else {
        let message = if kinds.is_empty() { "this step does nothing" } else { "this step does more than one thing" };
        let hint = "a step has one of `http`, `exec`, `scale` and `delete-pods`".to_owned();
        return check.value(&here, message, hint);
    };
    let path = |key: &'static str| [here.clone(), vec![key]].concat();
    for (key, of, is) in [
        ("json", "http", step.json.is_some()),
        ("status", "http", step.status.is_some()),
        ("contains", "http", step.contains.is_some()),
        ("keep", "http", !step.keep.is_empty()),
        ("in", "exec", step.r#in.is_some()),
        ("prints", "exec", step.prints.is_some()),
        ("to", "scale", step.to.is_some()),
    ] {
        if is && of != kind {
            check.key(&path(key), format!("`{key}` belongs to `{of}`, and this step is `{kind}`"), None);
        }
    }
    if step.holds_for.is_some() && !matches!((kind, &step.prints), ("http", _) | ("exec", Some(_))) {
        let hint = "`http`, and `exec` with `prints`, see something that can stay so".to_owned();
        check.key(&path("holds-for"), "nothing is seen here that could stay so", hint);
    }
    if kind == "exec" && step.r#in.is_none() {
        check.value(
            &path("exec"),
            "where?",
            "name the workload in whose pod it runs: `in = \"orders-database\"`".to_owned(),
        );
    }
    if step.exec.as_ref().is_some_and(Vec::is_empty) {
        check.value(&path("exec"), "there is no command", "a program and its arguments: `[\"ls\", \"-l\"]`".to_owned());
    }
    if kind == "scale" && step.to.is_none() {
        check.value(&path("scale"), "to how many replicas?", "`to = 0`".to_owned());
    }
    let Some(kept) = kept else { return };
    for unknown in placeholders(step.http.as_deref().unwrap_or_default()).filter(|name| !kept.contains(*name)) {
        let names: Vec<_> = kept.iter().map(|name| format!("`{{{name}}}`")).collect();
        let message = format!("no earlier step kept `{unknown}`");
        check.value(&path("http"), message, format!("known here: {}", names.join(", ")));
    }
}

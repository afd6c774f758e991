//! Tables: known, unknown and missing keys, and tables that say which kind they are.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Finding, Walk, describe, kind};
use crate::config::suggest;

impl<'t> Walk<'_, 't> {
    /// Returns the keys that fit, with examples for required ones that do not.
    pub(super) fn table(&mut self, table: &DeTable<'t>, place: Range<usize>, schema: &Value) -> Value {
        let mut sound = Map::new();
        for (key, value) in table {
            if self.document.is_broken(&key.span()) {
                continue;
            }
            let Some(value_schema) = schema_of(key.get_ref(), schema) else {
                self.unknown(key, table, schema);
                continue;
            };
            let well_named = self.key_name(key.get_ref(), key.span(), schema);
            self.path.push(key.to_string());
            let fitting = self.value(value, value_schema).filter(|_| well_named);
            self.path.pop();
            sound.extend(fitting.map(|value| (key.to_string(), value)));
        }
        self.require_some(table, &place, schema);
        self.require(&mut sound, table, &place, schema);
        Value::Object(sound)
    }

    fn unknown(&mut self, key: &Spanned<std::borrow::Cow<'t, str>>, table: &DeTable<'t>, schema: &Value) {
        let known = describe::properties(schema);
        let unused = known.iter().copied().filter(|name| !table.contains_key(*name));
        let hint = suggest::nearest(key.get_ref(), unused.clone())
            .map(|name| format!("did you mean `{name}`?"))
            .or_else(|| self.elsewhere(key.get_ref()))
            .or_else(|| suggest::did_you_mean(key.get_ref(), unused));
        let message = match table.get(key.get_ref().as_ref()).map(Spanned::get_ref) {
            Some(DeValue::Table(_)) if self.path.is_empty() => format!("unknown section `[{}]`", key.get_ref()),
            _ => format!("unknown key `{}` {}", key.get_ref(), self.inside()),
        };
        self.findings.push(Finding::at(key.span(), message).hint(hint));
    }

    /// Says which section a key belongs to that was written in another one.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let sections = self.root.get("properties")?.as_object()?;
        sections.iter().find_map(|(section, schema)| {
            let known = describe::properties(schema).into_iter().find(|known| suggest::same_word(known, key))?;
            Some(format!("`{known}` belongs in `[{section}]`"))
        })
    }

    fn require_some(&mut self, table: &DeTable<'t>, place: &Range<usize>, schema: &Value) {
        if schema.get("minProperties").is_some() && table.is_empty() && self.document.is_complete() {
            let message = format!("`{}` has no keys", self.path.join("."));
            self.findings.push(Finding::at(place.clone(), message));
        }
    }

    fn require(&mut self, sound: &mut Map<String, Value>, table: &DeTable<'t>, place: &Range<usize>, schema: &Value) {
        for name in describe::required(schema) {
            let property = &schema["properties"][name];
            if !table.contains_key(name) && self.document.is_complete() {
                let finding = self.missing(name, property, place.clone());
                self.findings.push(finding);
            }
            if !sound.contains_key(name) {
                sound.insert(name.to_owned(), describe::placeholder(property));
            }
        }
    }

    fn missing(&self, name: &str, property: &Value, place: Range<usize>) -> Finding {
        if self.path.is_empty() && property.get("properties").is_some() {
            let lines: Vec<_> = describe::required(property)
                .filter_map(|key| Some(format!("`{key} = {}`", describe::example(&property["properties"][key])?)))
                .collect();
            let hint = format!("add `[{name}]` with {}", lines.join(", "));
            return Finding::at(place, format!("the section `[{name}]` is missing")).hint(hint);
        }
        let hint = describe::example(property).map(|example| format!("for example `{name} = {example}`"));
        Finding::at(place, format!("`{name}` is missing {}", self.inside())).hint(hint)
    }

    /// Says where the walk is, after a preposition.
    fn inside(&self) -> String {
        match self.path.as_slice() {
            [] => "at the top of the file".to_owned(),
            path if path.iter().any(|step| step.parse::<usize>().is_ok()) => "in this entry".to_owned(),
            path => format!("in `[{}]`", path.join(".")),
        }
    }

    /// A table with one key that says which of `alternatives` it is.
    pub(super) fn tagged(
        &mut self,
        value: &Spanned<DeValue<'t>>,
        alternatives: &[Value],
        schema: &Value,
    ) -> Option<Value> {
        let tags: Vec<&str> = alternatives.iter().flat_map(describe::properties).collect();
        let DeValue::Table(table) = value.get_ref() else {
            let message =
                format!("expected a table with one of {}, found {}", suggest::listed(tags), kind(value.get_ref()));
            return self.report(Finding::at(value.span(), message).hint(describe::advice(schema)));
        };
        let mut written = table.keys().filter(|key| tags.contains(&key.get_ref().as_ref()));
        match (written.next(), written.next()) {
            (Some(tag), None) => {
                let alternative = alternatives
                    .iter()
                    .find(|schema| describe::properties(schema).contains(&tag.get_ref().as_ref()))?;
                let before = self.findings.len();
                let sound = self.table(table, value.span(), alternative);
                (self.findings.len() == before).then_some(sound)
            }
            (Some(_), Some(second)) => {
                let message = format!("only one of {} can hold", suggest::listed(tags));
                self.report(Finding::at(second.span(), message).hint(describe::advice(schema)))
            }
            (None, _) => self.untagged(value, table, &tags, schema),
        }
    }

    fn untagged(
        &mut self,
        value: &Spanned<DeValue<'t>>,
        table: &DeTable<'t>,
        tags: &[&str],
        schema: &Value,
    ) -> Option<Value> {
        let finding = match table.keys().next() {
            Some(key) => Finding::at(key.span(), format!("unknown key `{}` {}", key.get_ref(), self.inside()))
                .hint(suggest::did_you_mean(key.get_ref(), tags.iter().copied())),
            None => Finding::at(value.span(), format!("one of {} is missing", suggest::listed(tags.iter().copied())))
                .hint(describe::advice(schema)),
        };
        self.report(finding)
    }
}

/// What is inside of a value that may be anything may be anything.
const ANYTHING: &Value = &Value::Null;

fn schema_of<'s>(key: &str, schema: &'s Value) -> Option<&'s Value> {
    if ["type", "properties", "additionalProperties"].iter().all(|word| schema.get(word).is_none()) {
        return Some(ANYTHING);
    }
    let listed = schema.get("properties").and_then(|properties| properties.get(key));
    listed.or_else(|| schema.get("additionalProperties").filter(|others| others.is_object()))
}

//! Holds a document against a JSON Schema: every key and value that does not fit is a finding.
//!
//! Knows the part of JSON Schema that ours uses, and nothing about what the keys mean.

mod describe;
mod table;
mod text;

use std::ops::Range;

use serde_json::{Number, Value};
use toml::{
    Spanned,
    de::{DeArray, DeInteger, DeValue},
};

use super::{document::Document, problem::Finding, suggest};
use describe::{example, kind, kind_of_schema};

/// Returns what of `document` fits `schema`, with examples where something required is missing, and what does not fit.
pub(crate) fn conform(document: &Document<'_>, schema: &Value) -> (Value, Vec<Finding>) {
    let mut walk = Walk { document, root: schema, path: Vec::new(), findings: Vec::new() };
    let sound = walk.table(&document.root, 0..0, schema);
    (sound, walk.findings)
}

struct Walk<'a, 't> {
    document: &'a Document<'t>,
    root: &'a Value,
    /// Keys and indices that lead to where the walk is.
    path: Vec<String>,
    findings: Vec<Finding>,
}

impl<'t> Walk<'_, 't> {
    /// Returns the value if it fits.
    fn value(&mut self, value: &Spanned<DeValue<'t>>, schema: &Value) -> Option<Value> {
        if self.document.is_broken(&value.span()) {
            return None;
        }
        if let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) {
            return match describe::choices(schema) {
                Some(choices) => self.choice(value, &choices, schema),
                None => self.tagged(value, alternatives, schema),
            };
        }
        if let Some(choices) = describe::choices(schema) {
            return self.choice(value, &choices, schema);
        }
        if !describe::admits(schema, value.get_ref()) {
            return self.wrong_kind(value, schema);
        }
        match value.get_ref() {
            DeValue::String(text) => self.text(text, value.span(), schema),
            DeValue::Integer(number) => self.integer(number, value.span(), schema),
            DeValue::Float(number) => self.float(number.as_str(), value.span()),
            DeValue::Boolean(truth) => Some(Value::Bool(*truth)),
            DeValue::Datetime(_) => None,
            DeValue::Array(items) => Some(self.array(items, schema)),
            DeValue::Table(table) => Some(self.table(table, value.span(), schema)),
        }
    }

    fn report<T>(&mut self, finding: Finding) -> Option<T> {
        self.findings.push(finding);
        None
    }

    fn key(&self) -> &str {
        self.path.iter().rev().find(|step| step.parse::<usize>().is_err()).map_or("", String::as_str)
    }

    fn wrong_kind(&mut self, value: &Spanned<DeValue<'t>>, schema: &Value) -> Option<Value> {
        let message = format!("expected {}, found {}", kind_of_schema(schema), kind(value.get_ref()));
        let hint = describe::conversion(self.key(), value.get_ref(), schema)
            .or_else(|| describe::advice(schema))
            .or_else(|| example(schema).map(|example| format!("for example `{} = {example}`", self.key())));
        self.report(Finding::at(value.span(), message).hint(hint))
    }

    fn choice(&mut self, value: &Spanned<DeValue<'t>>, choices: &[&str], schema: &Value) -> Option<Value> {
        match value.get_ref() {
            DeValue::String(text) if choices.contains(&text.as_ref()) => Some(Value::String(text.to_string())),
            DeValue::String(text) => {
                let message = format!("`{text}` is no `{}`", self.key());
                let hint = suggest::did_you_mean(text, choices.iter().copied());
                self.report(Finding::at(value.span(), message).hint(hint))
            }
            other => {
                let message =
                    format!("expected one of {}, found {}", suggest::listed(choices.iter().copied()), kind(other));
                self.report(Finding::at(value.span(), message).hint(describe::advice(schema)))
            }
        }
    }

    fn integer(&mut self, number: &DeInteger<'_>, span: Range<usize>, schema: &Value) -> Option<Value> {
        let Ok(parsed) = i64::from_str_radix(number.as_str(), number.radix()) else {
            return self.report(Finding::at(span, "this number is too large"));
        };
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let fits = bound("minimum").is_none_or(|min| parsed >= min) && bound("maximum").is_none_or(|max| parsed <= max);
        if fits {
            return Some(Value::from(parsed));
        }
        let range = match (bound("minimum"), bound("maximum")) {
            (Some(min), Some(max)) if min == max => format!("{min}"),
            (Some(min), Some(max)) => format!("between {min} and {max}"),
            (Some(min), None) => format!("{min} or more"),
            (_, max) => format!("{} or less", max.unwrap_or(i64::MAX)),
        };
        let message = format!("`{}` must be {range}, not {parsed}", self.key());
        self.report(Finding::at(span, message).hint(describe::advice(schema)))
    }

    fn float(&mut self, text: &str, span: Range<usize>) -> Option<Value> {
        match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Some(Value::Number(number)),
            None => self.report(Finding::at(span, "this is not a number that can be passed on")),
        }
    }

    fn array(&mut self, items: &DeArray<'t>, schema: &Value) -> Value {
        let item_schema = schema.get("items").unwrap_or(&Value::Null);
        let mut sound = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.path.push(index.to_string());
            sound.push(self.value(item, item_schema).unwrap_or_else(|| describe::placeholder(item_schema)));
            self.path.pop();
        }
        Value::Array(sound)
    }
}

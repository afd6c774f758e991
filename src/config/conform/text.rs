//! Texts: their format and length.

use std::ops::Range;

use serde_json::Value;

use super::{Finding, Walk, describe};
use crate::config::format::Format;

impl Walk<'_, '_> {
    pub(super) fn text(&mut self, text: &str, span: Range<usize>, schema: &Value) -> Option<Value> {
        if schema.get("minLength").and_then(Value::as_u64).is_some_and(|min| min > 0) && text.trim().is_empty() {
            let message = format!("`{}` is empty", self.key());
            let hint = describe::example(schema).map(|example| format!("for example `{} = {example}`", self.key()));
            return self.report(Finding::at(span, message).hint(hint));
        }
        match complaint(text, span, schema) {
            Some(finding) => self.report(finding),
            None => Some(Value::String(text.to_owned())),
        }
    }

    /// Returns whether a key may be called `key`.
    pub(super) fn key_name(&mut self, key: &str, span: Range<usize>, schema: &Value) -> bool {
        let finding = schema.get("propertyNames").and_then(|names| complaint(key, span, names));
        let sound = finding.is_none();
        self.findings.extend(finding);
        sound
    }
}

fn complaint(text: &str, span: Range<usize>, schema: &Value) -> Option<Finding> {
    let format = Format::named(schema.get("format")?.as_str()?)?;
    let complaint = (format.check)(text).err()?;
    Some(Finding::at(span, format!("`{text}` {}", complaint.message)).hint(complaint.hint))
}

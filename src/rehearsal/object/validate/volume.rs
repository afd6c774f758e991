//! Rules of a pod's volumes.

use std::collections::HashSet;

use serde_json::Value;

use super::{names, problems::Problems};
use crate::rehearsal::object::quantity::Quantity;
use crate::rehearsal::object::read::{list, text};

/// What a source must say, as the name of its field.
const NEEDED: &[(&str, &str)] = &[
    ("configMap", "name"),
    ("secret", "secretName"),
    ("persistentVolumeClaim", "claimName"),
    ("hostPath", "path"),
    ("csi", "driver"),
    ("nfs", "server"),
];

/// Checks the volumes of a pod spec and returns their names.
pub fn check<'a>(spec: &'a Value, path: &str, problems: &mut Problems) -> HashSet<&'a str> {
    let mut known = HashSet::new();
    for (index, volume) in list(spec, "/volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        let name = text(volume, "/name");
        if name.is_empty() {
            problems.required(format!("{path}.name"), "");
        } else {
            problems.syntax(&format!("{path}.name"), name, names::label(name));
            if !known.insert(name) {
                problems.duplicate(format!("{path}.name"), &name.into());
            }
        }
        source(volume, &path, problems);
    }
    known
}

fn source(volume: &Value, path: &str, problems: &mut Problems) {
    let sources: Vec<_> = volume
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, source)| name.as_str() != "name" && source.is_object())
        .map(|(name, _)| name.as_str())
        .collect();
    if sources.is_empty() {
        problems.required(path, "must specify a volume type");
    }
    for other in sources.iter().skip(1) {
        problems.forbidden(format!("{path}.{other}"), "may not specify more than 1 volume type");
    }
    let Some(kind) = sources.first() else { return };
    for (_, field) in NEEDED.iter().filter(|(source, _)| source == kind) {
        if text(volume, &format!("/{kind}/{field}")).is_empty() {
            problems.required(format!("{path}.{kind}.{field}"), "");
        }
    }
    let size = text(volume, "/emptyDir/sizeLimit");
    if Quantity::parse(size).is_some_and(Quantity::is_negative) {
        problems.invalid(
            format!("{path}.emptyDir.sizeLimit"),
            &size.into(),
            "SizeLimit field must be a valid resource quantity",
        );
    }
}

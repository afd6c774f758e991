//! Amounts of memory and disk, written with a unit.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::format::{Complaint, Format};

/// An amount of memory or disk in bytes; written as `2GiB`, `512MiB` or `20GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// How sizes are written.
pub const SIZE: Format = Format {
    name: "size",
    pattern: "^[0-9]+ ?(KiB|MiB|GiB|TiB|kB|MB|GB|TB)$",
    example: "2GiB",
    check: |text| Size::parse(text).map(drop),
};

/// Largest first, so that a size is printed with the largest unit that divides it.
const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];

impl Size {
    /// Reads a whole number and a unit.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = (&text[..digits], text[digits..].strip_prefix(' ').unwrap_or(&text[digits..]));
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit).filter(|_| digits > 0) else {
            return Err(misspelt(number, unit));
        };
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)) {
            Some(0) => Err(Complaint::new("is nothing at all").hint("such as `2GiB`")),
            Some(bytes) => Ok(Self(bytes)),
            None => Err(Complaint::new("is more than any machine has").hint("such as `2GiB`")),
        }
    }
}

fn misspelt(number: &str, unit: &str) -> Complaint {
    if number.is_empty() || unit.starts_with(['.', ',', '-']) {
        return Complaint::new("is not a size").hint("a whole number and a unit, such as `2GiB` or `512MiB`");
    }
    let full = match unit.chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('k') => "KiB",
        Some('m') => "MiB",
        Some('t') => "TiB",
        _ => "GiB",
    };
    let complaint = if unit.is_empty() { "has no unit".to_owned() } else { format!("has an unknown unit, `{unit}`") };
    Complaint::new(complaint).hint(format!("did you mean `{number}{full}`?"))
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|complaint| D::Error::custom(format!("`{text}` {}", complaint.message)))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        SIZE.schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, bytes: u64) {
        assert_eq!(Size::parse(text), Ok(Size(bytes)));
    }

    #[test]
    fn units_are_binary_or_decimal() {
        case("2GiB", 2_147_483_648);
        case("20GB", 20_000_000_000);
        case("512 MiB", 536_870_912);
    }

    #[test]
    fn what_is_nearly_a_size_is_completed() {
        for (text, hint) in
            [("2", "`2GiB`"), ("2G", "`2GiB`"), ("512mb", "`512MiB`"), ("2Gi", "`2GiB`"), ("1.5GiB", "whole")]
        {
            let complaint = Size::parse(text).expect_err(text);
            assert!(complaint.hint.is_some_and(|found| found.contains(hint)), "{text}");
        }
        for text in ["", "GiB", "0GiB", "99999999999TiB", "-1GiB", "é", "2é"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_printed_as_it_was_written() {
        assert_eq!(Size(2 << 30).to_string(), "2GiB");
        assert_eq!(Size(20_000_000_000).to_string(), "20GB");
    }
}

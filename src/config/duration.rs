//! Lengths of time, written with units.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::format::{Complaint, Format};

/// A length of time; written as `90s`, `5m` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

/// How lengths of time are written.
pub const DURATION: Format = Format {
    name: "duration",
    pattern: "^[0-9]+(ms|s|m|h|d)( ?[0-9]+(ms|s|m|h|d))*$",
    example: "90s",
    check: |text| HumanDuration::parse(text).map(drop),
};

const UNITS: [&str; 5] = ["ms", "s", "m", "h", "d"];

impl HumanDuration {
    /// Reads one or more whole numbers, each with a unit; their sum is positive.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let hint = "a whole number and a unit (`ms`, `s`, `m`, `h`, `d`), such as `90s` or `1h 30m`";
        let not = || Complaint::new("is not a length of time").hint(hint);
        if text.parse::<u64>().is_ok() {
            return Err(Complaint::new("has no unit").hint(format!("did you mean `{text}s`?")));
        }
        if text.ends_with(' ') || !has_known_units(text) {
            return Err(not());
        }
        match humantime::parse_duration(text) {
            Ok(duration) if duration.is_zero() => Err(Complaint::new("is no time at all").hint(hint)),
            Ok(duration) => Ok(Self(duration)),
            Err(_) => Err(not()),
        }
    }
}

fn has_known_units(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || !UNITS.contains(&&rest[digits..digits + letters]) {
            return false;
        }
        rest = &rest[digits + letters..];
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    !text.is_empty()
}

impl std::fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0.as_millis();
        let mut parts = Vec::new();
        for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if rest >= millis {
                parts.push(format!("{}{unit}", rest / millis));
                rest %= millis;
            }
        }
        f.write_str(&parts.join(" "))
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|complaint| D::Error::custom(format!("`{text}` {}", complaint.message)))
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        DURATION.schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, millis) in [("90s", 90_000), ("1h 30m", 5_400_000), ("1h30m", 5_400_000), ("250ms", 250)] {
            assert_eq!(HumanDuration::parse(text), Ok(HumanDuration(Duration::from_millis(millis))), "{text}");
        }
    }

    #[test]
    fn a_duration_is_printed_as_it_may_be_written() {
        for text in ["90s", "1h30m", "2d", "250ms"] {
            let duration = HumanDuration::parse(text).expect(text);
            assert_eq!(HumanDuration::parse(&duration.to_string()), Ok(duration));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "90", "0s", "s", "-5s", "1.5h", "5 parsecs", "1y", "5s ", " 5s", "99999999999999999999d", "é"]
        {
            assert!(HumanDuration::parse(text).is_err(), "{text:?}");
        }
    }
}

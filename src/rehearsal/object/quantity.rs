//! `resource.Quantity`: amounts such as `250m`, `1.5Gi` or `2e3`.

/// What the real server says about text that is no quantity.
pub const SYNTAX: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// One billionth: the smallest amount told apart.
const NANO: i128 = 1_000_000_000;
const BINARY: &[(&str, u32)] = &[("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

/// An amount, exact to a billionth, and the notation it was written in.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

impl Quantity {
    /// Reads a quantity. Fractions below a billionth are rounded up. `None` when `text` is none, or beyond all reason.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (nanos, format) = if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            (scaled(number, 0, 1i128 << bits)?, Format::Binary)
        } else if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            (scaled(number, *exponent, 1)?, Format::Decimal)
        } else {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (scaled(number, exponent, 1)?, Format::Exponent)
        };
        Some(Self { nanos, format })
    }

    /// Tells whether the amount is below zero.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Returns the amount in thousandths, rounded up.
    pub fn millis(self) -> i64 {
        i64::try_from(ceil(self.nanos, NANO / 1000)).unwrap_or(i64::MAX)
    }

    /// Returns the amount in whole units, rounded up.
    pub fn units(self) -> i64 {
        i64::try_from(ceil(self.nanos, NANO)).unwrap_or(i64::MAX)
    }

    /// Tells whether the amount is a whole number.
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }
}

impl std::fmt::Display for Quantity {
    /// Writes the canonical form: no fraction, the largest suffix that allows that.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = self.nanos / NANO;
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.is_whole() && units.abs() >= 1024 {
            let largest = BINARY.iter().rev().find(|(_, bits)| units % (1 << bits) == 0);
            let (suffix, bits) = largest.copied().unwrap_or(("", 0));
            return write!(f, "{}{suffix}", units >> bits);
        }
        let power = |exponent: i32| 10i128.pow(exponent.saturating_add(9).unsigned_abs());
        let largest = DECIMAL.iter().rev().find(|(_, exponent)| self.nanos % power(*exponent) == 0);
        let (suffix, exponent) = largest.copied().unwrap_or(("n", -9));
        match self.format {
            Format::Exponent if exponent != 0 => write!(f, "{}e{exponent}", self.nanos / power(exponent)),
            _ => write!(f, "{}{suffix}", self.nanos / power(exponent)),
        }
    }
}

fn ceil(value: i128, unit: i128) -> i128 {
    value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0)
}

/// Returns `number` times ten to the `exponent` times `factor`, in billionths.
fn scaled(number: &str, exponent: i32, factor: i128) -> Option<i128> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !all_digits || whole.len() + fraction.len() == 0 || digits.len() > 30 {
        return None;
    }
    let value: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let power = exponent.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let value = value.checked_mul(factor)?;
    let scale = 10i128.checked_pow(power.unsigned_abs());
    let nanos = match (power >= 0, scale) {
        _ if value == 0 => 0,
        (true, scale) => value.checked_mul(scale?)?,
        (false, Some(scale)) => ceil(value, scale),
        (false, None) => 1,
    };
    Some(sign * nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn case(text: &str, canonical: &str) {
        assert_eq!(Quantity::parse(text).map(|quantity| quantity.to_string()).as_deref(), Some(canonical));
    }

    #[test]
    fn quantities_have_one_canonical_form() {
        for (text, canonical) in [
            ("1", "1"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("512", "512"),
            ("100k", "100k"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("0.1", "100m"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            (".5", "500m"),
            ("-2", "-2"),
            ("2000", "2k"),
            ("1Ei", "1Ei"),
            ("100M", "100M"),
            ("1.", "1"),
        ] {
            case(text, canonical);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "x", "1x", "1 Gi", "Gi", "--1", "1.2.3", "1KI", "e3", "1e", "99999999999999999999999999999999"]
        {
            assert!(Quantity::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn quantities_compare_by_amount() {
        assert!(Quantity::parse("1Gi") > Quantity::parse("1G"));
        assert_eq!(Quantity::parse("1000m"), Quantity::parse("1"));
        assert_eq!(Quantity::parse("1.5").map(Quantity::millis), Some(1500));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_the_canonical_form_means_the_same(text in "[-+]?[0-9.]{0,6}(Ki|Mi|Ei|n|u|m|k|E|e[0-9]{1,3}|x)?") {
            if let Some(quantity) = Quantity::parse(&text) {
                prop_assert_eq!(Quantity::parse(&quantity.to_string()), Some(quantity), "{}", text);
            }
        }
    }
}

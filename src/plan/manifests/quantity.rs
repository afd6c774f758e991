//! Kubernetes quantities such as `500m`, `1Gi` or `1e3`.

/// Returns the value of a quantity in thousandths (of a core, of a byte); `None` if it is none, or too large or too
/// fine to be told exactly. Grammar: apimachinery's `resource.Quantity`.
pub fn milli(text: &str) -> Option<i128> {
    let digits = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let whole = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (numerator, denominator) = factor(suffix)?;
    let scaled = mantissa.checked_mul(1000)?.checked_mul(numerator)?;
    let divisor = denominator.checked_mul(10_i128.pow(fraction.len() as u32))?;
    (scaled % divisor == 0).then(|| if negative { -scaled / divisor } else { scaled / divisor })
}

fn factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (10_i128.pow(6), 1),
        "G" => (10_i128.pow(9), 1),
        "T" => (10_i128.pow(12), 1),
        "P" => (10_i128.pow(15), 1),
        "E" => (10_i128.pow(18), 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return exponent(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

fn exponent(exponent: i32) -> Option<(i128, i128)> {
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_by_value() {
        for (left, right) in [("1000m", "1"), ("0.5", "500m"), ("1Gi", "1073741824"), ("1e3", "1k"), (".5", "500m")] {
            assert_eq!(milli(left), milli(right), "{left} {right}");
            assert!(milli(left).is_some(), "{left}");
        }
        assert_ne!(milli("1G"), milli("1Gi"));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "m", "1 Gi", "1gi", "1.2.3", "-", "abc", "1e", "1--2"] {
            assert_eq!(milli(text), None, "{text}");
        }
    }
}

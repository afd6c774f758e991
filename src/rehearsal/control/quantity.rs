//! Kubernetes quantities, such as `250m` or `1Gi`.

/// Returns thousandths of the unit (`250m` is 250), rounded up; 0 when the text is no quantity.
pub fn milli(text: &str) -> i64 {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let Ok(number) = number.parse::<f64>() else { return 0 };
    let factor = match suffix {
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "Ki" => 1024f64 * 1e3,
        "Mi" => 1024f64.powi(2) * 1e3,
        "Gi" => 1024f64.powi(3) * 1e3,
        "Ti" => 1024f64.powi(4) * 1e3,
        _ => exponent(suffix) * 1e3,
    };
    (number * factor).ceil() as i64
}

/// Returns whole units (`1Ki` is 1024), rounded up.
pub fn units(text: &str) -> i64 {
    (milli(text) as f64 / 1e3).ceil() as i64
}

fn exponent(suffix: &str) -> f64 {
    let digits = suffix.strip_prefix(['e', 'E']).and_then(|digits| digits.parse::<i32>().ok());
    digits.map_or(0.0, |digits| 10f64.powi(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        assert_eq!(milli("250m"), 250);
        assert_eq!(milli("1.5"), 1500);
        assert_eq!(units("2Gi"), 2 << 30);
        assert_eq!(units("1e3"), 1000);
        assert_eq!(units("100M"), 100_000_000);
        assert_eq!(units("plenty"), 0);
    }
}

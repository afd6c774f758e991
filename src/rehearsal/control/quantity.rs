//! Sizes out of quantities; what is no quantity counts as nothing: stored objects were validated.

use crate::rehearsal::object::quantity::Quantity;

/// Returns thousandths of the unit (`250m` is 250), rounded up.
pub fn milli(text: &str) -> i64 {
    Quantity::parse(text).map_or(0, Quantity::millis)
}

/// Returns whole units (`1Ki` is 1024), rounded up.
pub fn units(text: &str) -> i64 {
    Quantity::parse(text).map_or(0, Quantity::units)
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

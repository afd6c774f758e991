//! Bytes as people write them.

/// Returns two lower-case hexadecimal digits for each byte.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(hex([0_u8, 0x0a, 0xff]), "000aff");
        assert_eq!(hex("k3s"), "6b3373");
    }
}

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::model::hex::hex;

/// Sums up what is written through it.
pub struct Summed<W> {
    into: W,
    sum: Sha256,
}

impl<W: Write> Summed<W> {
    pub fn new(into: W) -> Self {
        Self { into, sum: Sha256::new() }
    }

    /// Returns where it was written, and the SHA-256 of all of it, in hexadecimal.
    ///
    /// # Errors
    /// When the last of it cannot be written.
    pub fn finish(mut self) -> io::Result<(W, String)> {
        self.into.flush()?;
        Ok((self.into, hex(self.sum.finalize())))
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.into.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

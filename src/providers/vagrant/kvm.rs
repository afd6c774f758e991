//! Whether the processor of this computer runs virtual machines.

use std::fs::File;

/// Says why not, if it does not.
///
/// # Errors
/// Why KVM cannot be used.
pub fn usable() -> Result<(), String> {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("/dev/kvm: {error}")),
    }
}

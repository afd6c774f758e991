//! Whether the processor of this computer runs virtual machines.

use std::{fs, path::Path};

/// # Errors
/// Why it does not, if it does not.
pub fn usable() -> Result<(), String> {
    judge(Path::new("/dev/kvm").exists(), &fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

/// The device alone proves nothing: under some hypervisors it is there, and ordinary kernels hang in it. Intel's and AMD's
/// processors say `vmx` or `svm` when they can; others have no such word.
fn judge(device: bool, cpuinfo: &str) -> Result<(), String> {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    let able = flags.is_none_or(|flags| flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"));
    match (device, able) {
        (true, true) => Ok(()),
        (true, false) => Err("/dev/kvm is there, but the processor does not offer virtualisation (vmx or svm)".into()),
        (false, true) => Err("there is no /dev/kvm: virtualisation is switched off, or kvm is not loaded".into()),
        (false, false) => Err("there is no /dev/kvm, and the processor does not offer virtualisation".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_a_processor_that_can_is_not_usable() {
        let intel = "processor\t: 0\nflags\t\t: fpu vme vmx smx\n";
        let guest = "processor\t: 0\nflags\t\t: fpu vme hypervisor\n";
        let arm = "processor\t: 0\nFeatures\t: fp asimd\n";
        assert_eq!(judge(true, intel), Ok(()));
        assert_eq!(judge(true, arm), Ok(()));
        assert!(judge(true, guest).unwrap_err().contains("does not offer"));
        assert!(judge(false, intel).unwrap_err().contains("switched off"));
    }
}

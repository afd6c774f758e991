//! What Vagrant's errors mean. It ends with 1 for all of them, so their words decide.

use crate::{
    failure::{
        BOX_NOT_FOUND, COMPUTER_TOO_SMALL, Entry, Failure, LIBVIRT_NOT_USABLE, NETWORK_TAKEN, STORAGE_POOL_MISSING,
        VAGRANT_BUSY, VAGRANT_FAILED, VAGRANT_MISSING, VAGRANTFILE_REFUSED, VIRTUALIZATION_MISSING, VM_FOREIGN,
        VM_NOT_BOOTED,
    },
    model::PackageManager,
};

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// This computer or the configuration: said once, however many machines it stops.
    All(&'static str),
    /// One machine; the text follows its name.
    Machine(&'static str),
}
use About::{All, Machine};

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Command(&'static str),
    InstallPlugin,
    InstallVirtualbox,
}
use Way::{Command, InstallPlugin, InstallVirtualbox};

struct Sign {
    /// One of these is in what Vagrant said.
    words: &'static [&'static str],
    entry: &'static Entry,
    about: About,
    way: Way,
}

const DOCTOR: Way = Command("./orchestrator doctor");

const SIGNS: &[Sign] = &[
    Sign {
        words: &["could not detect VirtualBox", "VBoxManage\" or one of its dependencies"],
        entry: &VAGRANT_MISSING,
        about: All("VirtualBox is not installed"),
        way: InstallVirtualbox,
    },
    Sign {
        words: &["The provider 'libvirt' could not be found", "plugins configured for this"],
        entry: &VAGRANT_MISSING,
        about: All("Vagrant has no plugin for libvirt"),
        way: InstallPlugin,
    },
    Sign {
        words: &["authentication unavailable", "libvirt-sock': Permission denied", "access denied by policy"],
        entry: &LIBVIRT_NOT_USABLE,
        about: All("this user may not use libvirt"),
        way: Command("sudo usermod -aG libvirt \"$USER\", then log in again"),
    },
    Sign {
        words: &[
            "Failed to connect socket",
            "Error while connecting to Libvirt",
            "failed to connect to the hypervisor",
        ],
        entry: &LIBVIRT_NOT_USABLE,
        about: All("libvirt does not answer"),
        way: Command("sudo systemctl enable --now libvirtd"),
    },
    Sign {
        words: &["No usable storage pool found", "Storage pool not found"],
        entry: &STORAGE_POOL_MISSING,
        about: All("libvirt has no usable storage pool of the name that `[vagrant] storage-pool` says"),
        way: Command(
            "sudo virsh pool-define-as default dir --target /var/lib/libvirt/images && sudo virsh pool-start default",
        ),
    },
    Sign {
        words: &[
            "could not be found or\ncould not be accessed",
            "Couldn't open file",
            "Couldn't connect to server",
            "Could not resolve host",
            "The requested URL returned error",
        ],
        entry: &BOX_NOT_FOUND,
        about: All("the box is not to be had"),
        way: Command("look at `box` and `box-url` of `[vagrant]`, and at the connection to the internet"),
    },
    Sign {
        words: &[
            "doesn't support the provider",
            "no version matching",
            "could not be found for the provider",
            "isn't compatible with the provider",
        ],
        entry: &BOX_NOT_FOUND,
        about: All("there is no box of that version for this hypervisor"),
        way: Command("choose another `box` or `box-version` in `[vagrant]`"),
    },
    Sign {
        words: &[
            "failed to unpackage",
            "checksum of the downloaded box",
            "Invalid box metadata",
            "Received error when query the box image",
            "Wrong image format",
            "No image format",
        ],
        entry: &BOX_NOT_FOUND,
        about: All("the box is damaged"),
        way: Command("fetch it anew: vagrant box remove BOX"),
    },
    Sign {
        words: &["already executing an action on the machine", "machine is locked"],
        entry: &VAGRANT_BUSY,
        about: Machine("is being worked on by another Vagrant"),
        way: Command("wait for it to end, then: ./orchestrator create"),
    },
    Sign {
        words: &[
            "is already taken",
            "Volume for domain is already created",
            "machine with the name was already found",
            "already exists with uuid",
            "active machine was found with a different provider",
        ],
        entry: &VM_FOREIGN,
        about: Machine("is there already, and not as Vagrant remembers it"),
        way: Command("./orchestrator destroy"),
    },
    Sign {
        words: &[
            "does not match with network name",
            "exists but does not have dhcp",
            "is already in use by interface",
            "Network is already in use",
            "overlaps with",
        ],
        entry: &NETWORK_TAKEN,
        about: All("the network of the machines is used by something else on this computer"),
        way: Command("write another one into orchestrator.toml: `[vagrant] network = \"192.168.60.0/24\"`"),
    },
    Sign {
        words: &["Address range", "is not within the allowed ranges"],
        entry: &NETWORK_TAKEN,
        about: All("VirtualBox does not allow this network"),
        way: Command("take one of 192.168.56.0/21 for `[vagrant] network`"),
    },
    Sign {
        words: &[
            "KVM acceleration not available",
            "failed to initialize KVM",
            "invalid argument: could not get preferred machine",
            "Could not access KVM",
            "domain type 'kvm'",
            "VT-x is not available",
            "VT-x is disabled",
            "AMD-V is",
        ],
        entry: &VIRTUALIZATION_MISSING,
        about: All("the processor's virtualisation cannot be used"),
        way: Command("switch it on in the firmware, or run slowly without: `[vagrant] driver = \"qemu\"`"),
    },
    Sign {
        words: &["cannot set up guest memory", "Cannot allocate memory", "VERR_NO_MEMORY", "not enough memory"],
        entry: &COMPUTER_TOO_SMALL,
        about: Machine("does not get the memory that it asks for"),
        way: Command("./orchestrator doctor"),
    },
    Sign {
        words: &["No space left on device", "not enough disk space"],
        entry: &COMPUTER_TOO_SMALL,
        about: All("the disk of this computer is full"),
        way: Command("df -h"),
    },
    Sign {
        words: &[
            "Timed out while waiting for the machine to boot",
            "No IP address found",
            "The specified wait_for timeout",
            "didn't respond within",
            "wait for the guest machine",
        ],
        entry: &VM_NOT_BOOTED,
        about: Machine("did not boot, or got no address, in time"),
        way: Command("look at its screen: virt-viewer, or the window of VirtualBox; then ./orchestrator create"),
    },
    Sign {
        words: &["SSH authentication failed", "Warning: Authentication failure", "private key to connect"],
        entry: &VM_NOT_BOOTED,
        about: Machine("does not take the key of its box, nor the cluster's"),
        way: Command("./orchestrator destroy --yes, then ./orchestrator create"),
    },
    Sign {
        words: &[
            "syntax error",
            "Unknown configuration section",
            "There are errors in the configuration",
            "error loading the Vagrantfile",
            "There was an error loading a Vagrantfile",
            "Line number:",
        ],
        entry: &VAGRANTFILE_REFUSED,
        about: All("Vagrant does not accept its configuration"),
        way: Command("correct `[vagrant]` in orchestrator.toml, its `extra` lines first"),
    },
    Sign {
        words: &["could not be found, but was requested to"],
        entry: &VAGRANT_MISSING,
        about: All("Vagrant has no plugin for this hypervisor"),
        way: InstallPlugin,
    },
];

/// Returns what an error of Vagrant means for a machine. `words` are Vagrant's own.
pub fn failure(machine: &str, words: &str, manager: Option<PackageManager>) -> Failure {
    let found = SIGNS.iter().find(|sign| sign.words.iter().any(|sign| words.contains(sign)));
    let (entry, about, way) =
        found.map_or((&VAGRANT_FAILED, Machine("could not be had"), DOCTOR), |sign| (sign.entry, sign.about, sign.way));
    let what = match about {
        All(what) => what.to_owned(),
        Machine(what) => format!("virtual machine `{machine}` {what}"),
    };
    let hint = match way {
        Command(command) => command,
        InstallPlugin => PackageManager::installs_libvirt_plugin(manager),
        InstallVirtualbox => PackageManager::installs_virtualbox(manager),
    };
    Failure::new(entry, what).output(words.trim()).hint(hint)
}

/// Begins each error where several machines are worked on at the same time.
const ACTION: &str = "An error occurred while executing the action on the '";

/// Returns the part of Vagrant's words that is about a machine: all of them, when they are about none in particular;
/// `None` when they are about others.
pub fn part_of<'w>(machine: &str, words: &'w str) -> Option<&'w str> {
    if !words.contains(ACTION) {
        return Some(words);
    }
    let part = words.split(ACTION).find_map(|part| part.strip_prefix(machine)?.strip_prefix('\''))?;
    Some(part.split_once("try again:").map_or(part, |(_, message)| message).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(words: &str, entry: &Entry, what: &str) {
        let failure = failure("a-1", words, Some(PackageManager::Apt));
        assert_eq!((failure.id.as_str(), failure.what.as_str()), (entry.id, what));
        assert_eq!(failure.output.as_deref(), Some(words.trim()));
        assert!(failure.hint.is_some());
    }

    #[test]
    fn what_vagrant_says_is_told_apart() {
        case(
            "Vagrant could not detect VirtualBox! Make sure VirtualBox is properly installed.",
            &VAGRANT_MISSING,
            "VirtualBox is not installed",
        );
        case(
            "The provider 'libvirt' could not be found, but was requested to\nback the machine 'default'.",
            &VAGRANT_MISSING,
            "Vagrant has no plugin for libvirt",
        );
        case(
            "Error while connecting to Libvirt: Error making a connection to libvirt URI qemu:///system:\nCall to \
             virConnectOpen failed: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
            &LIBVIRT_NOT_USABLE,
            "libvirt does not answer",
        );
        case(
            "Error while connecting to Libvirt: Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
            &LIBVIRT_NOT_USABLE,
            "this user may not use libvirt",
        );
        case(
            "No usable storage pool found! Please check if storage pool is\ncreated and available.",
            &STORAGE_POOL_MISSING,
            "libvirt has no usable storage pool of the name that `[vagrant] storage-pool` says",
        );
        case(
            "The box 'no/such-box' could not be found or\ncould not be accessed in the remote catalog.",
            &BOX_NOT_FOUND,
            "the box is not to be had",
        );
        case(
            "The box failed to unpackage properly. Please verify that the box\nfile you're trying to add is not corrupted",
            &BOX_NOT_FOUND,
            "the box is damaged",
        );
        case(
            "An action 'halt' was attempted on the machine 'node2',\nbut another process is already executing an action on the machine.",
            &VAGRANT_BUSY,
            "virtual machine `a-1` is being worked on by another Vagrant",
        );
        case(
            "An active machine was found with a different provider. Vagrant\ncurrently allows",
            &VM_FOREIGN,
            "virtual machine `a-1` is there already, and not as Vagrant remembers it",
        );
        case(
            "Address 192.168.56.11 does not match with network name x.",
            &NETWORK_TAKEN,
            "the network of the machines is used by something else on this computer",
        );
        case(
            "There are errors in the configuration of this machine. Please fix\n\nVagrant:\n* Unknown configuration section 'nosuch'.",
            &VAGRANTFILE_REFUSED,
            "Vagrant does not accept its configuration",
        );
        case(
            "There is a syntax error in the following Vagrantfile.",
            &VAGRANTFILE_REFUSED,
            "Vagrant does not accept its configuration",
        );
        case("Something new.", &VAGRANT_FAILED, "virtual machine `a-1` could not be had");
    }

    #[test]
    fn errors_of_several_machines_are_taken_apart() {
        let words = "An error occurred while executing multiple actions in parallel.\nAny errors that occurred are shown \
                     below.\n\nAn error occurred while executing the action on the 'a-1'\nmachine. Please handle this error \
                     then try again:\n\nNo usable storage pool found!\n\nAn error occurred while executing the action on \
                     the 'a-12'\nmachine. Please handle this error then try again:\n\nNo IP address found.";
        assert_eq!(part_of("a-1", words), Some("No usable storage pool found!"));
        assert_eq!(part_of("a-12", words), Some("No IP address found."));
        assert_eq!(part_of("a-2", words), None);
        assert_eq!(part_of("a-2", "No IP address found."), Some("No IP address found."));
    }
}

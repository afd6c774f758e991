//! The words that tell Vagrant's errors apart.

use crate::failure::{
    BOX_NOT_FOUND, COMPUTER_TOO_SMALL, Entry, LIBVIRT_NOT_USABLE, NETWORK_TAKEN, STORAGE_POOL_MISSING, VAGRANT_BUSY,
    VAGRANT_FAILED, VAGRANT_MISSING, VAGRANTFILE_REFUSED, VIRTUALIZATION_MISSING, VM_FOREIGN, VM_NOT_BOOTED,
};

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// This computer or the configuration: said once, however many machines it stops.
    All(&'static str),
    /// One machine; the text follows its name.
    Machine(&'static str),
}
use About::{All, Machine};

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Command(&'static str),
    InstallPlugin,
    /// Install the plugins that Vagrant lists, each on a line of its own.
    InstallListed,
    InstallVirtualbox,
    StartLibvirt,
}
use Way::{Command, InstallListed, InstallPlugin, InstallVirtualbox, StartLibvirt};

/// What an error of Vagrant is told by, and what it means.
pub struct Sign {
    /// One of these is in what Vagrant said.
    pub words: &'static [&'static str],
    pub entry: &'static Entry,
    pub about: About,
    pub way: Way,
}

/// The first that fits counts.
pub const SIGNS: &[Sign] = &[
    Sign {
        words: &["could not detect VirtualBox", "VBoxManage\" or one of its dependencies"],
        entry: &VAGRANT_MISSING,
        about: All("VirtualBox is not installed"),
        way: InstallVirtualbox,
    },
    Sign {
        words: &["The provider 'libvirt' could not be found"],
        entry: &VAGRANT_MISSING,
        about: All("Vagrant has no plugin for libvirt"),
        way: InstallPlugin,
    },
    Sign {
        words: &["plugins configured for this"],
        entry: &VAGRANT_MISSING,
        about: All("Vagrant lacks a plugin that its configuration asks for"),
        way: InstallListed,
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
        way: StartLibvirt,
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
            "doesn't match the provider",
        ],
        entry: &BOX_NOT_FOUND,
        about: All("there is no box of that version for this hypervisor"),
        way: Command("choose another `box` or `box-version` in `[vagrant]`"),
    },
    Sign {
        words: &["failed to unpackage", "checksum of the downloaded box"],
        entry: &BOX_NOT_FOUND,
        about: All("the box is damaged"),
        way: Command("put a whole one where `[vagrant] box-url` says, then: ./orchestrator create"),
    },
    Sign {
        words: &[
            "Invalid box metadata",
            "Received error when query the box image",
            "Wrong image format",
            "No image format",
            "No image virtual size",
        ],
        entry: &BOX_NOT_FOUND,
        about: All("the image in the box is damaged, or not for libvirt"),
        way: Command("vagrant box list; then `vagrant box remove` with its name, and ./orchestrator create"),
    },
    Sign {
        words: &[
            "already executing an action on the machine",
            "requested machine because it is locked",
            "held by another instance of Vagrant",
        ],
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
        words: &["Cannot access backing file"],
        entry: &VM_NOT_BOOTED,
        about: Machine("cannot start: the image of its box, which its disk builds on, was removed"),
        way: Command("./orchestrator destroy --yes, then ./orchestrator create"),
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
            "[vagrant] extra:",
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
        words: &["was not found configured for", "A Vagrant environment or target machine is required"],
        entry: &VAGRANT_FAILED,
        about: Machine("is not in the configuration that Vagrant reads"),
        way: Command("./orchestrator create"),
    },
    Sign {
        words: &["could not be found, but was requested to"],
        entry: &VAGRANT_MISSING,
        about: All("Vagrant has no plugin for this hypervisor"),
        way: InstallPlugin,
    },
];

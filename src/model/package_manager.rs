//! How programs come onto the user's computer.

/// How programs are installed on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageManager {
    Apt,
    Dnf,
    Pacman,
    Brew,
}

impl PackageManager {
    /// The program that tells each of them.
    pub const PROGRAMS: [(&str, Self); 4] =
        [("apt-get", Self::Apt), ("dnf", Self::Dnf), ("pacman", Self::Pacman), ("brew", Self::Brew)];

    /// Returns the command that installs Vagrant with what it needs for libvirt; on macOS, for VirtualBox.
    pub fn installs_vagrant(manager: Option<Self>) -> &'static str {
        match manager {
            Some(Self::Apt) => "sudo apt install vagrant vagrant-libvirt libvirt-daemon-system",
            Some(Self::Dnf) => "sudo dnf install vagrant vagrant-libvirt libvirt-daemon-kvm",
            Some(Self::Pacman) => {
                "sudo pacman -S vagrant libvirt qemu-base dnsmasq && vagrant plugin install vagrant-libvirt"
            }
            Some(Self::Brew) => "brew install --cask vagrant virtualbox",
            None => "https://developer.hashicorp.com/vagrant/install",
        }
    }

    /// Returns the command that installs Vagrant's plugin for libvirt.
    pub fn installs_libvirt_plugin(manager: Option<Self>) -> &'static str {
        match manager {
            Some(Self::Apt) => "sudo apt install vagrant-libvirt",
            Some(Self::Dnf) => "sudo dnf install vagrant-libvirt",
            _ => "vagrant plugin install vagrant-libvirt",
        }
    }

    /// Returns the command that installs libvirt, or VirtualBox where there is no libvirt.
    pub fn installs_libvirt(manager: Option<Self>) -> &'static str {
        match manager {
            Some(Self::Apt) => "sudo apt install libvirt-daemon-system libvirt-clients qemu-system-x86 dnsmasq-base",
            Some(Self::Dnf) => "sudo dnf install libvirt-daemon-kvm libvirt-client",
            Some(Self::Pacman) => "sudo pacman -S libvirt qemu-base dnsmasq",
            Some(Self::Brew) => "brew install --cask virtualbox, and `hypervisor = \"virtualbox\"` in `[vagrant]`",
            None => "https://libvirt.org/downloads.html",
        }
    }

    /// Returns the command that starts libvirt, now and with the computer.
    pub fn starts_libvirt(manager: Option<Self>) -> &'static str {
        match manager {
            Some(Self::Dnf) => {
                "sudo systemctl enable --now virtqemud.socket virtnetworkd.socket virtstoraged.socket virtlogd.socket"
            }
            Some(Self::Brew) => "`hypervisor = \"virtualbox\"` in `[vagrant]`: libvirt makes no networks on macOS",
            _ => "sudo systemctl enable --now libvirtd",
        }
    }

    /// Returns the command that installs a program that builds images.
    pub fn installs_image_builder(manager: Option<Self>) -> &'static str {
        match manager {
            Some(Self::Apt) => "sudo apt install podman",
            Some(Self::Dnf) => "sudo dnf install podman",
            Some(Self::Pacman) => "sudo pacman -S podman",
            Some(Self::Brew) => "brew install --cask docker",
            None => "https://docs.docker.com/get-docker",
        }
    }

    /// Returns the command that installs VirtualBox.
    pub fn installs_virtualbox(manager: Option<Self>) -> &'static str {
        match manager {
            Some(Self::Brew) => "brew install --cask virtualbox",
            Some(Self::Pacman) => "sudo pacman -S virtualbox virtualbox-host-modules-arch",
            _ => "https://www.virtualbox.org/wiki/Linux_Downloads",
        }
    }
}

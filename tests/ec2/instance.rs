//! The machine that an instance is: it does what its user data say.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use crate::{
    docker::docker,
    machine::{Machine, Place},
    user_data::CloudConfig,
};

/// The account that the image gives to who owns an instance.
const USER: &str = "ubuntu";
const LOOK: Duration = Duration::from_secs(2);
const UNIT: &str = "[Unit]\nDefaultDependencies=no\nBefore=ssh.service\nAfter=local-fs.target\n\
                    [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -eu /var/lib/cloud/boot\n";
/// The server waits for the keys that cloud-init gives it.
const WAITS: &str = "[Unit]\nRequires=cloud-init.service\nAfter=cloud-init.service\n";
/// What is done at each boot; the rest of the script is done at the first.
const EACH_BOOT: &str = r#"
ip route replace default dev eth0
[ ! -e /var/lib/cloud-init.done ] || exit 0
for unit in k3s k3s-agent; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    printf '[Service]\nEnvironment=K3S_STAND_IN_PACE=fast\n' >"/etc/systemd/system/$unit.service.d/pace.conf"
done
touch /var/lib/cloud-init.done
"#;
const OTHER_HOST_KEY: &str =
    "rm /etc/ssh/ssh_host_*key*\nssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key\n";

/// Whose machines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    Honest,
    /// They let in who shall come in, and show host keys that nobody gave them, as somebody in between would.
    Impostor,
}

/// What a machine begins with.
pub struct Birth {
    pub address: String,
    pub role: &'static str,
    pub network: String,
    pub user_data: String,
    pub nature: Nature,
}

/// What a machine is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Power {
    /// It is reached at this address of the internet as well.
    On(Option<String>),
    Off,
}

/// Boots a machine and gives and takes power as it is `asked`, until nobody asks any more. Tells when it went `down` by
/// itself.
pub fn live(birth: &Birth, asked: &Receiver<Power>, down: &AtomicBool) {
    let folder = tempfile::tempdir().unwrap();
    let config = CloudConfig::parse(&birth.user_data);
    let machine = first_boot(birth, &config, folder.path());
    machine.sh(&config.at_last());
    let mut runs = true;
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(Power::On(public)) => {
                if !runs {
                    docker(&["start", &machine.container]);
                }
                runs = true;
                if let Some(public) = public {
                    lead(&birth.network, &machine, &public);
                }
            }
            Ok(Power::Off) => {
                docker(&["stop", &machine.container]);
                runs = false;
            }
            Err(RecvTimeoutError::Timeout) => {
                if runs && docker(&["inspect", "--format", "{{.State.Running}}", &machine.container]) == "false\n" {
                    runs = false;
                    down.store(true, Ordering::Relaxed);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn first_boot(birth: &Birth, config: &CloudConfig, folder: &Path) -> Machine {
    let other_key = if birth.nature == Nature::Impostor { OTHER_HOST_KEY } else { "" };
    let script = format!("{EACH_BOOT}{}{other_key}", config.before_ssh(USER));
    let mounted = [
        ("boot", "/var/lib/cloud/boot", script.as_str()),
        ("cloud-init.service", "/etc/systemd/system/cloud-init.service", UNIT),
        ("ssh.conf", "/etc/systemd/system/ssh.service.d/cloud-init.conf", WAITS),
    ];
    let mut options = Vec::new();
    for (name, path, text) in mounted {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        options.extend(["--volume".to_owned(), format!("{}:{path}:ro", file.display())]);
    }
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let name = format!("ip-{}", birth.address.replace('.', "-"));
    let place = Place { network: &birth.network, address: birth.address.clone(), key: "", options: &options };
    Machine::start(&name, birth.role, &place)
}

/// Has an address of the internet lead to a machine, from this computer.
fn lead(network: &str, machine: &Machine, public: &str) {
    machine.sh(&format!("ip address replace {public}/32 dev eth0"));
    let id = docker(&["network", "inspect", "--format", "{{.Id}}", network]);
    let bridge = format!("br-{}", &id[..12]); // its routes go with it
    let route = ["route", "replace", &format!("{public}/32"), "dev", &bridge];
    assert!(Command::new("ip").args(route).status().unwrap().success(), "ip {route:?}");
}

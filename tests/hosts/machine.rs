use std::time::{Duration, Instant};

use crate::{
    docker::{docker, try_docker, unique},
    release,
};

/// What a container needs for systemd and K3s to run in it.
const CAPABILITIES: [&str; 12] = [
    "NET_ADMIN",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "SYS_RAWIO",
    "IPC_LOCK",
    "SYS_NICE",
    "SYS_TIME",
    "DAC_READ_SEARCH",
    "SYSLOG",
    "MAC_ADMIN",
    "LINUX_IMMUTABLE",
];
/// Has K3s's units in a hurry where a stand-in plays it; prints the host key.
const PREPARE: &str = r#"
for unit in k3s k3s-agent; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    printf '[Service]\nEnvironment=K3S_STAND_IN_PACE=fast\n' >"/etc/systemd/system/$unit.service.d/pace.conf"
done
ip route replace default dev eth0
cat /etc/ssh/ssh_host_ed25519_key.pub
"#;

/// A container with systemd as process 1 and an SSH server. Dropped, it is removed.
pub struct Machine {
    /// The name of the machine and of its node.
    pub name: String,
    /// `server` or `agent`.
    pub role: &'static str,
    pub address: String,
    /// The line of `known_hosts` that is true of it.
    pub known: String,
    pub container: String,
}

/// Where and how a machine starts.
pub struct Place<'a> {
    pub network: &'a str,
    pub address: String,
    /// The public key of whoever may log in.
    pub key: &'a str,
    /// More for `docker run`.
    pub options: &'a [&'a str],
}

impl Machine {
    pub fn start(name: &str, role: &'static str, place: &Place<'_>) -> Self {
        let container = format!("{}-{name}", unique());
        let key = format!("RIG_AUTHORIZED_KEY={}", place.key);
        let mut words = vec!["run", "--detach", "--pull=never", "--name", &container, "--hostname", name];
        words.extend(["--network", place.network, "--ip", &place.address, "--env", &key]);
        words.extend(CAPABILITIES.iter().flat_map(|capability| ["--cap-add", capability]));
        for option in ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"] {
            words.extend(["--security-opt", option]);
        }
        words.extend(["--cgroupns=private", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"]);
        if release::real_is_tested() {
            words.extend(["--device", "/dev/kmsg"]); // the kubelet reads there which processes the kernel ended
        }
        words.extend(place.options);
        words.push("orchestrator-rig/machine:now");
        docker(&words);
        let mut machine =
            Self { name: name.into(), role, address: place.address.clone(), known: String::new(), container };
        machine.until("systemctl is-active --quiet ssh");
        let key = machine.sh(PREPARE);
        let mut parts = key.split_whitespace();
        let (kind, key) = (parts.next().unwrap(), parts.next().unwrap());
        machine.known = format!("{} {kind} {key}", machine.address);
        machine
    }

    /// Runs a script as root and returns what it printed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let (ok, text) = self.try_sh(script);
        assert!(ok, "on {}: {script}\n{text}", self.name);
        text
    }

    /// Runs a script as root; returns whether it ended well and what it printed.
    pub fn try_sh(&self, script: &str) -> (bool, String) {
        let output = try_docker(&["exec", "--interactive", &self.container, "sh"], script);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    /// Has a file on the machine.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        let script = "mkdir -p \"${0%/*}\" && cat >\"$0\"";
        let output = try_docker(&["exec", "--interactive", &self.container, "sh", "-c", script, path], text);
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn unit(&self) -> &'static str {
        if self.role == "server" { "k3s" } else { "k3s-agent" }
    }

    /// The name that systemd gave to this run of K3s's unit.
    #[track_caller]
    pub fn invocation(&self) -> String {
        let id = self.sh(&format!("systemctl show --property InvocationID --value {}", self.unit()));
        assert!(!id.trim().is_empty(), "{} has never been started on {}", self.unit(), self.name);
        id.trim().into()
    }

    /// When K3s's process was started, in seconds since 1970.
    #[track_caller]
    pub fn started(&self) -> i64 {
        let at = "TZ=UTC systemctl show --property ExecMainStartTimestamp --value";
        self.sh(&format!("date -d \"$({at} {})\" +%s", self.unit())).trim().parse().unwrap()
    }

    /// The command lines of the processes of K3s and of its pods.
    pub fn k3s_processes(&self) -> Vec<String> {
        let processes = self.sh("ps -eo args");
        let of_k3s = |line: &&str| line.contains("k3s") || line.contains("containerd") || line.contains("kube");
        processes.lines().filter(of_k3s).map(str::to_owned).collect()
    }

    /// Waits until a script ends well.
    #[track_caller]
    pub fn until(&self, script: &str) {
        let end = Instant::now() + Duration::from_secs(120);
        while !self.try_sh(script).0 {
            assert!(Instant::now() < end, "waited for `{script}` on {}", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        try_docker(&["rm", "--force", "--volumes", &self.container], "");
    }
}

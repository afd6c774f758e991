//! What cloud-init makes of the user data, as far as it is used: anything else is refused.

use serde::Deserialize;
use serde_json::Value;

/// A cloud-config (cloudinit.readthedocs.io/en/latest/reference/modules.html).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudConfig {
    ssh_authorized_keys: Vec<String>,
    ssh_pwauth: bool,
    disable_root: bool,
    ssh_deletekeys: bool,
    /// `<type>_private` and `<type>_public`.
    ssh_keys: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    write_files: Vec<File>,
    #[serde(default)]
    runcmd: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    content: String,
}

impl CloudConfig {
    pub fn parse(user_data: &str) -> Self {
        assert!(user_data.starts_with("#cloud-config\n"), "no cloud-config: {user_data}");
        serde_saphyr::from_str(user_data).unwrap()
    }

    /// Returns what is done before the SSH server starts. `user` is the account that the image gives to who owns it.
    pub fn before_ssh(&self, user: &str) -> String {
        let mut script = format!(
            "id {user} 2>/dev/null || useradd --create-home --shell /bin/bash {user}\n\
             echo '{user} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/90-cloud-init-users\n\
             install -d -m 700 -o {user} -g {user} /home/{user}/.ssh\n\
             install -m 600 -o {user} -g {user} /dev/null /home/{user}/.ssh/authorized_keys\n"
        );
        let keys = self.ssh_authorized_keys.join("\n") + "\n";
        script += &written(&format!("/home/{user}/.ssh/authorized_keys"), &keys, 600);
        let root = match self.disable_root {
            true => self.ssh_authorized_keys.iter().map(|key| refusing(user, key)).collect(),
            false => keys,
        };
        script += "install -d -m 700 /root/.ssh\n";
        script += &written("/root/.ssh/authorized_keys", &root, 600);
        let passwords = if self.ssh_pwauth { "yes" } else { "no" };
        let setting = format!("PasswordAuthentication {passwords}\n");
        script += &written("/etc/ssh/sshd_config.d/50-cloud-init.conf", &setting, 600);
        if self.ssh_deletekeys {
            script += "rm -f /etc/ssh/ssh_host_*key*\n";
        }
        for (name, key) in &self.ssh_keys {
            let (kind, half) = name.split_once('_').unwrap();
            let (ending, mode) = if half == "private" { ("", 600) } else { (".pub", 644) };
            script += &written(&format!("/etc/ssh/ssh_host_{kind}_key{ending}"), key, mode);
        }
        for file in &self.write_files {
            script += &written(&file.path, &file.content, 644);
        }
        script
    }

    /// Returns what is done last.
    pub fn at_last(&self) -> String {
        let word = |word: &Value| quoted(word.as_str().unwrap());
        let command = |command: &Value| match command {
            Value::Array(words) => words.iter().map(word).collect::<Vec<_>>().join(" "),
            text => text.as_str().unwrap().to_owned(),
        };
        self.runcmd.iter().map(|line| command(line) + "\n").collect()
    }
}

/// The line that tells who logs in as root to use another account.
fn refusing(user: &str, key: &str) -> String {
    format!(
        "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the user \\\"{user}\\\" \
         rather than the user \\\"root\\\".';echo;sleep 10;exit 142\" {key}\n"
    )
}

/// Returns commands that write a file.
fn written(path: &str, text: &str, mode: u32) -> String {
    let (path, text) = (quoted(path), quoted(text));
    format!("mkdir -p \"$(dirname {path})\"\nprintf %s {text} >{path}\nchmod {mode} {path}\n")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[test]
fn what_the_provider_writes_is_understood() {
    let text = include_str!("../../provision/ec2/cloud-config.yaml").to_owned()
        + include_str!("../../provision/ec2/expiry.yaml");
    let config = CloudConfig::parse(&text);
    let before = config.before_ssh("ubuntu");
    assert!(before.contains(">'/etc/ssh/ssh_host_ed25519_key'\nchmod 600 '/etc/ssh/ssh_host_ed25519_key'"), "{before}");
    assert!(before.contains("/etc/systemd/system/orchestrator-expiry.timer"), "{before}");
    assert!(config.at_last().starts_with("'systemctl' 'daemon-reload'\n"));
}

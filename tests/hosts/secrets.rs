use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::Value;

use crate::lab::Lab;

const PASSWORD: &str = "correct-horse-7Qx";

/// Returns the command lines and their programs' names that hold one of the secrets, read again and again until `ended`.
/// The processes of containers are processes of this computer.
fn watch(secrets: &dyn Fn() -> Vec<String>, ended: &AtomicBool) -> (BTreeSet<String>, usize) {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    while !ended.load(Ordering::Relaxed) {
        let secrets = secrets();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = fs::read(process.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if secrets.iter().any(|secret| line.contains(secret)) {
                found.insert(line.clone());
            }
            seen.insert(line);
        }
    }
    (found, seen.len())
}

/// The parts of a private key that tell it from any other text.
fn lines(pem: &str) -> Vec<String> {
    pem.lines().filter(|line| !line.starts_with("-----")).skip(1).map(str::to_owned).collect()
}

fn token(lab: &Lab) -> Option<String> {
    let state: Value = serde_json::from_str(&fs::read_to_string(lab.state().join("state.json")).ok()?).ok()?;
    state["token"].as_str().map(str::to_owned)
}

/// The files below a folder, with their modes and texts.
fn files(folder: &Path) -> Vec<(String, u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            found.push((entry.path().display().to_string(), mode, text));
        }
    }
    found
}

/// Files that others than root may read, with a secret in them. The secrets come as the text of a file, so that this
/// search shows them nowhere either.
const READABLE: &str = r"
find / \( -path /proc -o -path /sys -o -path /dev -o -path /run/netns -o -path /root/secrets \) -prune -o \
    -type f -perm /077 -print0 | xargs -0 grep -alF -f /root/secrets |
    while read -r file; do
        runuser -u nobody -- test -r $file && echo $file
    done
journalctl --no-pager | grep -F -f /root/secrets
rm /root/secrets
";

#[test]
fn secrets_are_in_no_command_line_log_event_or_file_that_others_read() {
    let mut lab = Lab::new(1, 1);
    for machine in &lab.machines {
        machine.write("/etc/sudoers.d/student", "student ALL=(ALL) ALL\n");
        machine.write("/root/password", &format!("student:{PASSWORD}\n"));
        machine.sh("chpasswd </root/password && rm /root/password");
    }
    lab.user = "student";
    lab.configure();
    lab.env("ORCHESTRATOR_SUDO_PASSWORD", PASSWORD);
    let login = lines(&fs::read_to_string(lab.home(".ssh/id_ed25519")).unwrap());
    assert!(!login.is_empty());

    let ended = AtomicBool::new(false);
    let known = || {
        let of_the_run = token(&lab).into_iter().chain([PASSWORD.to_owned()]);
        of_the_run.chain(login.iter().cloned()).collect::<Vec<_>>()
    };
    let (created, (found, seen)) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&known, &ended));
        let created = lab.run(&["create", "-v"]);
        let again = lab.run(&["create", "-o", "json"]);
        ended.store(true, Ordering::Relaxed);
        ([created.ok(), again.ok()], watching.join().unwrap())
    });
    assert!(seen > 10, "it saw {seen} command lines");
    assert_eq!(found, BTreeSet::new());

    let authority = lab.machine("s1").sh("cat /var/lib/rancher/k3s/server/tls/server-ca.key");
    let authority: Vec<_> = authority.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect();
    let secrets = [known(), authority].concat();
    assert!(secrets.iter().all(|secret| secret.len() > 10) && secrets.len() >= 4, "{}", secrets.len());

    for ran in &created {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!secrets.iter().any(|secret| said.contains(secret)), "{said}");
    }
    let state = files(&lab.state());
    assert!(state.iter().any(|(path, ..)| path.contains("/runs/")));
    for (path, mode, text) in &state {
        assert_eq!(mode & 0o077, 0, "{path} is {mode:o}");
        let holds = secrets.iter().any(|secret| text.contains(secret));
        assert!(!holds || path.ends_with("/state.json"), "{path} holds a secret");
    }
    for machine in &lab.machines {
        machine.write("/root/secrets", &(secrets.join("\n") + "\n"));
        // What others can read is found: a file put there for it.
        machine.write("/var/tmp/bait", &secrets[0]);
        machine.sh("chmod 644 /var/tmp/bait; chmod 600 /root/secrets");
        assert_eq!(machine.try_sh(READABLE).1, "/var/tmp/bait\n", "{}", machine.name);
    }
}

//! Images from their folders to the machines: real Docker builds them, SSH carries them, or a registry takes them.

use std::{
    fs,
    io::{self, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    docker::{docker, try_docker, unique},
    lab::Lab,
    running::eventually,
};

/// The bytes of the layer that does not change.
const BASE: usize = 3 << 20;

/// A cluster with an image to build and a stack that runs it. Dropped, Docker forgets the image.
struct Shop {
    lab: Lab,
    /// What the manifests call the image.
    image: String,
}

impl Shop {
    fn new(agents: usize) -> Self {
        let mut lab = Lab::new(1, agents);
        let image = unique();
        lab.env("DOCKER_HOST", &socket());
        let others = without_other_builders(&lab);
        lab.env("PATH", &others);
        lab.sections = format!("[images.build]\n{image} = \"image\"\n[stacks.shop]\nmanifests = \"shop.yaml\"\n");
        lab.configure();
        let shop = Self { lab, image };
        fs::create_dir(shop.lab.path("image")).unwrap();
        // No other test's layer is the same: Docker would use it here, and forget it with that test.
        let noise = (0..BASE / 32).flat_map(|n| Sha256::digest(n.to_le_bytes())); // as long when it is compressed
        let unique: Vec<u8> = shop.image.bytes().chain(noise).collect();
        fs::write(shop.lab.path("image/base"), unique).unwrap();
        shop.program("echo one");
        wait_for_ever(&shop.lab.path("image/wait"));
        let copies = "COPY base /\nCOPY wait /\nCOPY program /\n";
        fs::write(shop.lab.path("image/Dockerfile"), format!("FROM scratch\n{copies}CMD [\"/wait\"]\n")).unwrap();
        let manifest = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: shop }}\nspec:\n  replicas: 2\n  \
             selector: {{ matchLabels: {{ app: shop }} }}\n  template:\n    metadata: {{ labels: {{ app: shop }} }}\n    \
             spec: {{ containers: [{{ name: shop, image: {} }}] }}\n",
            shop.image
        );
        fs::write(
            shop.lab.path("shop.yaml"),
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: shop }}\n---\n{manifest}"),
        )
        .unwrap();
        shop
    }

    /// Writes the configuration, with these lines in `[images]`.
    fn images(&mut self, lines: &str) {
        let image = &self.image;
        self.lab.sections = format!(
            "[images]\n{lines}\n[images.build]\n{image} = \"image\"\n[stacks.shop]\nmanifests = \"shop.yaml\"\n"
        );
        self.lab.configure();
    }

    /// Has the orchestrator look for Docker where there is none, or where it is.
    fn lose_docker(&mut self, lost: bool) {
        let socket = if lost { "unix:///nowhere".into() } else { socket() };
        self.lab.env("DOCKER_HOST", &socket);
    }

    /// Has Docker be one that builds without BuildKit.
    fn lose_buildkit(&self) {
        let old = "#!/bin/sh\ncase $1 in\n    version) echo '23.0.0 23.0.0' ;;\n    buildx) exit 1 ;;\n    \
                   *) PATH=${PATH#*:} exec docker \"$@\" ;;\nesac\n";
        program(&self.lab.path("programs/docker"), old);
    }

    /// Writes the file that the last layer is made of.
    fn program(&self, text: &str) {
        fs::write(self.lab.path("image/program"), text).unwrap();
    }

    /// The image that the Deployment names.
    #[track_caller]
    fn reference(&self) -> String {
        self.lab.kubectl("get deployment shop -n shop -o jsonpath={.spec.template.spec.containers[0].image}")
    }

    /// Checks that every machine has the image, whole, by its tag and by its digest.
    #[track_caller]
    fn is_everywhere(&self, reference: &str) {
        let (tagged, digest) = reference.split_once('@').unwrap();
        for machine in &self.lab.machines {
            let said = machine.sh("k3s ctr -n k8s.io images check");
            for name in [format!("docker.io/library/{tagged}"), format!("docker.io/library/{}@{digest}", self.image)] {
                let line = said.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
                assert!(line.contains(digest) && line.contains(" complete "), "{}: {said}", machine.name);
            }
            assert_eq!(machine.sh("ls -A /var/lib/rancher/k3s/orchestrator-images 2>/dev/null || true").trim(), "");
        }
    }

    /// Whether Docker ever wrote a whole image into an archive.
    fn was_saved(&self) -> bool {
        self.lab.home(".cache/orchestrator/images/saved.json").exists()
    }

    /// How many bytes the last run sent to each machine, by its events.
    fn sent(&self) -> Vec<(String, u64)> {
        let mut logs: Vec<PathBuf> =
            fs::read_dir(self.lab.state().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.sort();
        let text = fs::read_to_string(logs.last().unwrap()).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let progressed = events.filter(|event| event["kind"] == "progressed" && event["step"] == "deliver-images");
        let mut sent: Vec<_> = progressed
            .filter(|event| event["done"] == event["of"])
            .map(|event| (event["on"].as_str().unwrap().to_owned(), event["of"].as_u64().unwrap()))
            .collect();
        sent.sort();
        sent
    }
}

/// Returns a PATH where Podman and Buildah are installed and do not work: whatever this computer has, Docker builds. Of
/// several clients of Docker, the one that came with the engine comes first.
fn without_other_builders(lab: &Lab) -> String {
    let folder = lab.path("programs");
    fs::create_dir(&folder).unwrap();
    for name in ["podman", "buildah"] {
        program(&folder.join(name), "#!/bin/sh\necho 'out of order' >&2\nexit 125\n");
    }
    format!("{}:/usr/bin:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// Makes a program that needs nothing else and waits until it is told to end: a real K3s runs it.
fn wait_for_ever(program: &Path) {
    let source = "#include <signal.h>\n#include <unistd.h>\nstatic void end(int signal) { _exit(0); }\n\
                  int main(void) { signal(SIGTERM, end); for (;;) pause(); }\n";
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-O2", "-s", "-x", "c", "-", "-o"]).arg(program).stdin(Stdio::piped());
    let mut compiling = compiler.spawn().expect("cc, which tests/run installs");
    compiling.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    assert!(compiling.wait().unwrap().success());
}

/// Writes a script that can be run.
fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn socket() -> String {
    format!("unix://{}/docker.sock", std::env::var("ORCHESTRATOR_RIG").unwrap())
}

impl Drop for Shop {
    fn drop(&mut self) {
        let both = [format!("reference={}", self.image), format!("reference=*/{}", self.image)];
        let ids = docker(&["images", "--quiet", "--filter", &both[0], "--filter", &both[1]]);
        let mut ids: Vec<_> = ids.split_whitespace().collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            docker(&[&["rmi", "--force"][..], &ids].concat());
        }
    }
}

#[test]
fn an_image_is_built_and_every_machine_has_it_before_it_is_used() {
    let mut shop = Shop::new(2);
    shop.lab.run(&["create"]).ok();
    let first = shop.reference();
    shop.is_everywhere(&first);
    let sent = shop.sent();
    assert_eq!(sent.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a1", "a2", "s1"]);
    assert!(sent.iter().all(|(_, bytes)| *bytes > BASE as u64), "{sent:?}");
    shop.lab.run(&["status"]).ok();

    // What was built is known without asking a builder.
    shop.lose_docker(true);
    shop.lab.run(&["create"]).ok().says("nothing had to change");
    assert_eq!(shop.sent(), []);
    shop.lab.run(&["build"]).ok().says(&first);

    // A line is changed: only its layer is sent, and the pods are replaced.
    shop.program("echo two");
    shop.lab
        .run(&["deploy"])
        .exits(7)
        .says("IMG-002")
        .says("Cannot connect to the Docker daemon")
        .says("podman: out of order");
    assert_eq!(shop.reference(), first);
    shop.lab.run(&["status"]).exits(1);
    let built = format!("+ image {} (built and sent to the nodes)", shop.image);
    shop.lab.run(&["plan"]).ok().says(&built).says("~ Deployment shop/shop").says("2 to do");
    shop.lose_docker(false);
    shop.lab.run(&["deploy"]).ok();
    let second = shop.reference();
    assert_ne!(second, first);
    shop.is_everywhere(&second);
    let sent = shop.sent();
    assert!(sent.len() == 3 && sent.iter().all(|(_, bytes)| *bytes < 20_000), "{sent:?}");
    let pods: Value = serde_json::from_str(&shop.lab.kubectl("get pods -n shop -o json")).unwrap();
    let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let staying = pods["items"].as_array().unwrap().iter().filter(stays);
    let running: Vec<_> =
        staying.map(|pod| (&pod["status"]["phase"], &pod["spec"]["containers"][0]["image"])).collect();
    assert_eq!(running, [(&json!("Running"), &json!(second)), (&json!("Running"), &json!(second))]);
    shop.lab.run(&["status"]).ok();
    assert!(!shop.was_saved(), "Docker was asked for all of it");
    let names = docker(&["images", "--format", "{{.Repository}}", "--filter", "reference=*/orchestrator"]);
    assert_eq!(names, "", "what was pushed here has a name in Docker still");

    // A machine that lost it gets it again, alone.
    let names = format!("docker.io/library/{}", second.split('@').next().unwrap());
    shop.lab.machine("a2").sh(&format!("k3s ctr -n k8s.io images rm {names}"));
    shop.lab.run(&["create"]).ok();
    shop.is_everywhere(&second);
    assert_eq!(shop.sent().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a2"]);
}

#[test]
fn docker_builds_with_buildkit_where_it_has_it_and_without_it_elsewhere() {
    let shop = Shop::new(0);
    let built = || shop.lab.run(&["build", "-o", "json"]).ok();
    built().says("with Docker with BuildKit").says("[3/3] COPY program /");
    shop.lose_buildkit();
    shop.program("echo two");
    built().says("with Docker").says_not("BuildKit").says("4/5 COPY program /");
    shop.program("echo three");
    fs::write(shop.lab.path("image/Dockerfile"), "FROM scratch\nCOPY absent /\n").unwrap();
    shop.lab.run(&["build"]).exits(7).says("IMG-003").says("absent").says_not("DEPRECATED");
}

/// Speaks to Docker's engine over TCP, as to one on another computer, whose loopback is not this one's.
fn docker_elsewhere() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let engine = socket().trim_start_matches("unix://").to_owned();
    let both_ways = move |client: TcpStream| {
        let engine = UnixStream::connect(&engine).unwrap();
        let (mut to_engine, mut to_client) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
        let (mut from_engine, mut from_client) = (engine, client);
        std::thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_engine);
            let _ = to_engine.shutdown(Shutdown::Write);
        });
        std::thread::spawn(move || {
            let _ = io::copy(&mut from_engine, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Write);
        });
    };
    std::thread::spawn(move || listener.incoming().flatten().for_each(both_ways));
    port
}

#[test]
fn an_engine_elsewhere_hands_over_all_of_an_image() {
    let mut shop = Shop::new(0);
    let socket = format!("tcp://127.0.0.1:{}", docker_elsewhere());
    shop.lab.env("DOCKER_HOST", &socket);
    shop.lab.run(&["create"]).ok();
    shop.is_everywhere(&shop.reference());
    assert!(shop.was_saved());
    shop.program("echo two");
    shop.lab.run(&["deploy"]).ok();
    shop.is_everywhere(&shop.reference());
    let sent = shop.sent();
    assert!(sent.len() == 1 && sent[0].1 < 20_000, "{sent:?}");
}

#[test]
fn an_image_that_one_machine_cannot_take_is_a_failure_that_names_it() {
    let shop = Shop::new(1);
    shop.lab.run(&["create"]).ok();
    let first = shop.reference();
    shop.program("echo two");
    shop.lab
        .machine("a1")
        .sh("rm -rf /var/lib/rancher/k3s/orchestrator-images && touch /var/lib/rancher/k3s/orchestrator-images");
    shop.lab.run(&["deploy"]).exits(5).says("SSH-011").says("a1");
    assert_eq!(shop.reference(), first, "what is not everywhere is not used");
    shop.lab.machine("a1").sh("rm /var/lib/rancher/k3s/orchestrator-images");
    shop.lab.run(&["deploy"]).ok();
    shop.is_everywhere(&shop.reference());

    docker(&["pause", &shop.lab.machine("a1").container]);
    shop.program("echo three");
    let ran = shop.lab.run(&["deploy"]);
    docker(&["unpause", &shop.lab.machine("a1").container]);
    ran.exits(5).says("a1");
}

#[test]
fn what_cannot_be_built_shows_the_builders_own_words() {
    let shop = Shop::new(0);
    let dockerfile = shop.lab.path("image/Dockerfile");
    fs::write(&dockerfile, "FROM scratch\nCOPY absent /\n").unwrap();
    shop.lab.run(&["build"]).exits(7).says("IMG-003").says("absent");
    fs::remove_file(&dockerfile).unwrap();
    shop.lab.run(&["create"]).exits(7).says("IMG-001").says("there is no");
    assert!(shop.lab.machine("s1").sh("ls /usr/local/bin").trim().is_empty(), "something was installed");
    shop.lab.run(&["build", "other"]).exits(7).says("IMG-007").says(&shop.image);
}

/// Docker's registry on this computer. Dropped, it is ended.
struct Registry {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

/// Who may push, and the line that `htpasswd -B` writes for it.
const USER: (&str, &str) = ("pupil", "a-secret-of-a-test");
const HTPASSWD: &str = "pupil:$2b$04$e/x/izQR6gNkaQe27.44vOOhpzF/l0mwSe66tsf3StNdwQLwBBy7a\n";

impl Registry {
    fn start() -> Self {
        Self::start_with(|_| String::new())
    }

    /// One that asks for a login.
    fn locked() -> Self {
        Self::start_with(|folder| {
            let file = folder.join("htpasswd");
            fs::write(&file, HTPASSWD).unwrap();
            format!("auth: {{ htpasswd: {{ realm: tests, path: {} }} }}\n", file.display())
        })
    }

    fn start_with(more: impl Fn(&Path) -> String) -> Self {
        let folder = tempfile::Builder::new().prefix("orchestrator-registry-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\" }}\n{}",
            folder.path().join("data").display(),
            more(folder.path())
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("docker-registry, which tests/run installs");
        eventually("a registry", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Self { process, port, _folder: folder }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_image_is_pushed_once_and_named_by_what_the_registry_has() {
    let mut shop = Shop::new(0);
    shop.lab.run(&["build", "--push"]).exits(7).says("there is no registry");
    let registry = Registry::start();
    let repository = format!("127.0.0.1:{}/{}", registry.port, shop.image);
    shop.images(&format!("registry = \"127.0.0.1:{}\"\ntag = \"1.0\"\nlatest = true", registry.port));
    let ran = shop.lab.run(&["build", "--push", "-o", "json"]).ok();
    let pinned = ran.stdout.split('"').find_map(|words| words.split(&format!("{repository}:1.0@")).nth(1)).unwrap();
    for wanted in [format!("{repository}@{pinned}"), format!("{repository}:latest")] {
        docker(&["pull", "--quiet", &wanted]);
    }
    let images = docker(&["images", "--digests", "--format", "{{.Tag}} {{.Digest}}", &repository]);
    for tag in ["1.0", "latest"] {
        assert!(images.lines().any(|line| line == format!("{tag} {pinned}")), "{pinned} is not in:\n{images}");
    }

    // Nothing has changed: nobody is asked.
    drop(registry);
    shop.lose_docker(true);
    shop.lab.run(&["build", "--push"]).ok().says(pinned).says("nothing had to change");

    // A registry that is not there.
    shop.lose_docker(false);
    shop.program("echo two");
    shop.lab.run(&["build", "--push"]).exits(7).says("IMG-005").says("connection refused");
}

#[test]
fn a_login_comes_from_the_environment_and_is_in_no_command_line_and_no_file_that_stays() {
    let mut shop = Shop::new(0);
    let registry = Registry::locked();
    shop.images(&format!("registry = \"127.0.0.1:{}\"\nplain-http = true", registry.port));
    shop.lab.run(&["build", "--push"]).exits(7).says("IMG-005").says("ORCHESTRATOR_REGISTRY_USER");
    shop.lab.env("ORCHESTRATOR_REGISTRY_USER", USER.0);
    shop.lab.env("ORCHESTRATOR_REGISTRY_PASSWORD", "wrong");
    shop.lab.run(&["build", "--push"]).exits(7).says("IMG-005");

    shop.lab.env("ORCHESTRATOR_REGISTRY_PASSWORD", USER.1);
    let temporary = shop.lab.path("temporary");
    fs::create_dir(&temporary).unwrap();
    shop.lab.env("TMPDIR", temporary.to_str().unwrap());
    let mut running = shop.lab.spawn(&["build", "--push"]);
    let mut lines = Vec::new();
    while !running.has_ended() {
        lines.extend(command_lines());
    }
    running.wait().ok().says(&format!("127.0.0.1:{}/{}", registry.port, shop.image)).says_not(USER.1);
    assert!(lines.iter().any(|line| line.contains("push")), "Docker was not seen at work");
    assert!(!lines.iter().any(|line| line.contains(USER.1)), "the password is in a command line");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!shop.lab.home(".docker/config.json").exists());
}

/// The registry is on this computer's loopback, which only a stand-in says to have pulled from.
mod stand_in {
    use super::*;
    use crate::release::needs_stand_in;

    #[test]
    fn nodes_are_given_a_login_that_the_registry_takes_and_nobody_sees() {
        needs_stand_in();
        let mut shop = Shop::new(0);
        let registry = Registry::locked();
        shop.images(&format!(
            "registry = \"127.0.0.1:{}\"\nplain-http = true\n[images.login]\nuser = \"{}\"\npassword-env = \"SCHOOL\"",
            registry.port, USER.0
        ));
        shop.lab.run(&["create"]).exits(2).says("comes from $SCHOOL");
        assert!(shop.lab.machine("s1").sh("ls /usr/local/bin").trim().is_empty(), "something was installed");
        shop.lab.env("SCHOOL", USER.1);
        let mut running = shop.lab.spawn(&["create"]);
        let mut lines = Vec::new();
        while !running.has_ended() {
            lines.extend(command_lines());
        }
        running.wait().ok().says_not(USER.1);
        assert!(!lines.iter().any(|line| line.contains(USER.1)), "the password is in a command line");

        let pod = shop.lab.kubectl("get pods -n shop -o jsonpath={.items[0].spec.imagePullSecrets}");
        assert_eq!(pod, r#"[{"name":"orchestrator-registry-shop"}]"#);
        let login = login_in_cluster(&shop.lab);
        let folder = shop.lab.path("login");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.json"), &login).unwrap();
        let reference = shop.reference();
        docker(&["rmi", "--force", docker(&["inspect", "--format", "{{.Id}}", &reference]).trim()]);
        let without = try_docker(&["--config", "/nonexistent", "pull", "--quiet", &reference], "");
        assert!(!without.status.success(), "the registry asks for no login");
        docker(&["--config", folder.to_str().unwrap(), "pull", "--quiet", &reference]);
        shop.lab.creates_nothing();

        // On another computer, without anything that builds: the registry says what is built already.
        fs::remove_dir_all(shop.lab.home(".cache/orchestrator/images")).unwrap();
        shop.lose_docker(true);
        shop.lab.run(&["status"]).ok();
        shop.lab.creates_nothing();
        shop.lose_docker(false);

        // The token is another one by now: nodes get it, and no pod is replaced for it.
        let pods = shop.lab.kubectl("get pods -n shop -o jsonpath={.items[*].metadata.uid}");
        shop.lab.env("SCHOOL", "another-token");
        shop.lab.run(&["deploy"]).ok();
        assert_ne!(login_in_cluster(&shop.lab), login);
        assert_eq!(shop.lab.kubectl("get pods -n shop -o jsonpath={.items[*].metadata.uid}"), pods);
        shop.images("pull-secret = true");
        shop.lab.run(&["deploy"]).ok();
        assert_eq!(
            shop.lab.kubectl("get secrets -n shop --field-selector type=kubernetes.io/dockerconfigjson -o name"),
            ""
        );
    }
}

/// What nodes log in with, as kubelet reads it.
fn login_in_cluster(lab: &Lab) -> String {
    let path = r"{.data.\.dockerconfigjson}";
    let encoded = lab.kubectl(&format!("get secret orchestrator-registry-shop -n shop -o jsonpath={path}"));
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
}

/// The command lines of all processes.
fn command_lines() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let line = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    entries.filter_map(line).map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

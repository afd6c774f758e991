//! OpenSSH servers of the tests' own, each on a free port with its files in a folder that is removed.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fs,
    future::Future,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use orchestrator::{
    effects::ssh::{Secret, Ssh, SshUser, Surroundings, Target, ask::Ask},
    model::hex::hex,
};
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};

/// A folder with a home in it, keys and servers.
pub struct Place {
    folder: tempfile::TempDir,
}

/// A running sshd. Dropped, it is ended.
pub struct Server {
    pub port: u16,
    child: Child,
    config: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        // sshd looks for the user's keys as that user.
        fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(place.path(".ssh")).unwrap();
        fs::write(place.path("authorized_keys"), "").unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key and returns the path of its private half.
    pub fn key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let path = self.path(name);
        let arguments = ["-q", "-t", kind, "-N", passphrase, "-C", name, "-f", path.to_str().unwrap()];
        run(Command::new("ssh-keygen").args(arguments));
        path
    }

    /// Lets a key in.
    pub fn authorize(&self, key: &Path) {
        let file = self.path("authorized_keys");
        let known = fs::read_to_string(&file).unwrap();
        fs::write(&file, known + &public(key)).unwrap();
    }

    /// Starts a server with an ed25519 host key of its own and `options` as its configuration has them.
    pub fn server(&self, options: &str) -> Server {
        let port = free_port();
        let host_key = self.key(&format!("host-{port}"), "ed25519", "");
        self.server_with(port, &[host_key], options)
    }

    pub fn server_with(&self, port: u16, host_keys: &[PathBuf], options: &str) -> Server {
        let keys: String = host_keys.iter().map(|key| format!("HostKey {}\n", key.display())).collect();
        let text = format!(
            "{options}\nListenAddress 127.0.0.1\nPort {port}\n{keys}PidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             AuthorizedKeysFile {}\n",
            self.path("authorized_keys").display()
        );
        let config = self.path(&format!("sshd-{port}"));
        fs::write(&config, text).unwrap();
        let mut server = Server { port, child: spawn(&config), config };
        server.wait();
        server
    }

    /// Adds the host key of `server` to the cluster's known_hosts.
    pub fn trust(&self, server: &Server) {
        let key = public(&self.path(&format!("host-{}", server.port)));
        self.know(&format!("[127.0.0.1]:{} {key}", server.port));
    }

    pub fn know(&self, line: &str) {
        let file = self.path("known_hosts");
        let known = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, known + line).unwrap();
    }

    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            home: self.folder.path().to_owned(),
            name: "root".into(),
            config: vec![self.path(".ssh/config")],
            agent: None,
            sudo_password: None,
            known_hosts: self.path("known_hosts"),
            are_made: false,
        }
    }

    pub fn user(&self) -> Rc<SshUser> {
        SshUser::new(self.surroundings(), Box::new(Answers::default()))
    }

    /// A machine that is `server`, with a key that it takes.
    pub fn ssh(&self, server: &Server) -> Ssh {
        self.trust(server);
        Ssh::new(self.user(), target(server, Some(self.good_key())))
    }

    /// A key that every server of the place takes.
    pub fn good_key(&self) -> PathBuf {
        let path = self.path("good");
        if !path.exists() {
            self.authorize(&self.key("good", "ed25519", ""));
        }
        path
    }
}

impl Server {
    /// Ends the server and every connection of it.
    pub fn kill(&mut self) {
        for child in children(self.child.id()) {
            let _ = kill_process(child, Signal::KILL);
        }
        self.stop();
    }

    /// Ends the server; its connections live on.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start(&mut self) {
        self.child = spawn(&self.config);
        self.wait();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end && self.child.try_wait().unwrap().is_none(), "sshd does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in children(self.child.id()) {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the processes that `pid` started itself: for an sshd, one per connection.
pub fn children(pid: u32) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

fn spawn(config: &Path) -> Child {
    fs::create_dir_all("/run/sshd").unwrap();
    let log = fs::OpenOptions::new().create(true).append(true).open(config.with_extension("log")).unwrap();
    Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(config).stderr(Stdio::from(log)).spawn().unwrap()
}

pub fn target(server: &Server, key: Option<PathBuf>) -> Target {
    Target {
        name: "machine-1".into(),
        address: "127.0.0.1".into(),
        user: Some("root".into()),
        port: Some(server.port),
        key,
    }
}

pub fn public(key: &Path) -> String {
    fs::read_to_string(format!("{}.pub", key.display())).unwrap()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a test as the program runs: on one thread. It fails instead of hanging.
pub fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), work).await.expect("it hangs") };
    runtime.block_on(bounded)
}

/// A person with answers ready, who remembers the questions.
#[derive(Default, Clone)]
pub struct Answers {
    pub answers: Rc<RefCell<VecDeque<String>>>,
    pub questions: Rc<RefCell<Vec<String>>>,
}

impl Answers {
    pub fn new(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Self { answers: Rc::new(RefCell::new(answers)), questions: Rc::default() }
    }
}

#[async_trait(?Send)]
impl Ask for Answers {
    async fn line(&self, question: &str, _: bool) -> Option<String> {
        self.questions.borrow_mut().push(question.into());
        self.answers.borrow_mut().pop_front()
    }
}

/// Returns what a file holds, summed up in hexadecimal.
pub fn sha256(path: &Path) -> String {
    hex(Sha256::digest(fs::read(path).unwrap()))
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

//! Shells, with a terminal at this end and without. A copy of this program stands for `orchestrator ssh`.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use orchestrator::effects::ssh::{Ssh, SshUser, Surroundings, Target, ask::ControllingTerminal};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::server::{Place, Server, on_one_thread};

const PLACE: &str = "ORCHESTRATOR_TEST_SHELL";

/// What the tests below run as a program: `HOME PORT [COMMAND]`, one per line, in a variable.
#[test]
#[ignore = "the other tests run it as a program"]
#[expect(clippy::exit, reason = "a program's exit code is what they look at")]
fn program() {
    let text = std::env::var(PLACE).unwrap();
    let mut words = text.lines();
    let (home, port) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
    let command: Option<Vec<String>> = words.next().map(|word| vec![word.to_owned()]);
    let surroundings = Surroundings {
        home: home.into(),
        name: "root".into(),
        config: vec![],
        agent: None,
        sudo_password: None,
        known_hosts: format!("{home}/known_hosts").into(),
        are_made: false,
    };
    let user = SshUser::new(surroundings, Box::new(ControllingTerminal));
    let target = Target {
        user: Some("root".into()),
        port: Some(port),
        key: Some(format!("{home}/good").into()),
        ..Target::new("machine-1", "127.0.0.1")
    };
    let code = on_one_thread(Ssh::new(user, target).shell(command.as_deref())).unwrap();
    std::process::exit(code.into());
}

fn known_machine() -> (Place, Server) {
    let place = Place::new();
    let server = place.server("");
    place.trust(&server);
    place.good_key();
    (place, server)
}

fn command(place: &Place, server: &Server, words: Option<&str>, terminal: bool) -> Command {
    let home = place.path("").display().to_string();
    let text = format!("{}\n{}\n{}", home.trim_end_matches('/'), server.port, words.unwrap_or_default());
    // In a session of its own, the program has no terminal but the one that it is given.
    let mut command = Command::new("setsid");
    command
        .args(terminal.then_some("--ctty"))
        .arg("--wait")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "shell::program", "--ignored", "--nocapture", "--quiet"])
        .env(PLACE, text);
    command
}

#[test]
fn without_a_terminal_streams_and_status_are_passed_on() {
    let (place, server) = known_machine();
    let words = "tr a-z A-Z; echo err >&2; tty; exit 9";
    let mut command = command(&place, &server, Some(words), false);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"input\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.ends_with("INPUT\nnot a tty\n"), "{stdout}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("err\n"));
    assert_eq!(output.status.code(), Some(9));
}

#[test]
fn a_signal_on_the_machine_becomes_an_exit_code() {
    let (place, server) = known_machine();
    let status =
        command(&place, &server, Some("kill -TERM $$"), false).stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(143));
}

/// A terminal with a program in it.
struct Terminal {
    controller: File,
    device: OwnedFd,
    shown: String,
    all: String,
}

impl Terminal {
    fn new() -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let device = File::options().read(true).write(true).open(name).unwrap();
        rustix::io::ioctl_fionbio(&controller, true).unwrap();
        let terminal =
            Self { controller: controller.into(), device: device.into(), shown: String::new(), all: String::new() };
        terminal.resize(100, 40);
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.device, size).unwrap();
    }

    fn run(&self, command: &mut Command) -> std::process::Child {
        let stream = || Stdio::from(self.device.try_clone().unwrap());
        command.stdin(stream()).stdout(stream()).stderr(stream()).env("TERM", "vt220").spawn().unwrap()
    }

    fn type_in(&mut self, text: &str) {
        self.controller.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the text was shown, and forgets what was shown up to it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.shown.contains(text) {
            assert!(Instant::now() < end, "{text:?} is not in {:?}", self.shown);
            let mut chunk = [0; 4096];
            match self.controller.read(&mut chunk) {
                Ok(count) => {
                    let text = String::from_utf8_lossy(&chunk[..count]);
                    self.shown.push_str(&text);
                    self.all.push_str(&text);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        self.shown = self.shown.split_once(text).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.device).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }
}

#[test]
fn a_shell_in_a_terminal_has_one_too_and_leaves_ours_as_it_was() {
    let (place, server) = known_machine();
    let mut terminal = Terminal::new();
    let mut child = terminal.run(&mut command(&place, &server, None, true));
    terminal.type_in("echo size $(stty size) $TERM; echo read''y\r");
    terminal.wait_for("size 40 100 vt220");
    terminal.wait_for("ready");
    assert!(!terminal.echoes(), "the terminal is raw while the shell runs");
    terminal.resize(120, 50);
    terminal.type_in("until stty size | grep -q '50 120'; do sleep 0.05; done; echo bigg''er\r");
    terminal.wait_for("bigger");
    terminal.type_in("exit 3\r");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(terminal.echoes(), "the terminal is as it was");
}

#[test]
fn a_lost_connection_gives_the_terminal_back() {
    let (place, mut server) = known_machine();
    let mut terminal = Terminal::new();
    let mut child = terminal.run(&mut command(&place, &server, None, true));
    terminal.type_in("echo read''y\r");
    terminal.wait_for("ready");
    server.kill();
    assert!(!child.wait().unwrap().success());
    assert!(terminal.echoes(), "the terminal is as it was");
}

#[test]
fn questions_are_asked_on_the_terminal_and_secrets_are_not_shown() {
    let place = Place::new();
    let server = place.server("");
    place.authorize(&place.key("good", "ed25519", "open sesame"));
    let mut terminal = Terminal::new();
    let mut child = terminal.run(&mut command(&place, &server, Some("echo here''we''are; exit 4"), true));
    terminal.wait_for("(yes/no)? ");
    terminal.type_in("yes\r");
    terminal.wait_for("passphrase of ");
    terminal.wait_for(": ");
    terminal.type_in("open sesame\r");
    terminal.wait_for("herewe");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(!terminal.all.contains("sesame"), "{}", terminal.all);
    assert!(terminal.echoes(), "the terminal is as it was");
}

//! Scripts: what goes in, what comes out, how they end.

use std::cell::RefCell;

use orchestrator::effects::ssh::{As, Ended};

use crate::server::{Place, on_one_thread};

#[test]
fn a_script_gets_its_input_and_its_two_streams_and_status_come_back() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    on_one_thread(async {
        let script = "read -r a\nprintf 'out %s\\n' \"$a\"\nprintf '%s\\n' 'err \\n $HOME' >&2\nexit 7";
        let output = ssh.run(As::Root, script, "it's \"one\" \\two\n").await.unwrap();
        assert_eq!(output.ended, Ended::Status(7));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "out it's \"one\" \\two\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "err \\n $HOME\n");
    });
}

#[test]
fn a_signal_is_told_apart_from_a_status() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let output = on_one_thread(ssh.run(As::User, "kill -TERM $$", ""));
    assert_eq!(output.unwrap().ended, Ended::Signal("TERM".into()));
}

#[test]
fn megabytes_go_both_ways() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n * 7 + n / 251) as u8).collect();
    let output = on_one_thread(ssh.run(As::Root, "cat", bytes.clone())).unwrap();
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
}

#[test]
fn a_script_that_ends_before_it_read_everything_is_no_error() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let output = on_one_thread(ssh.run(As::Root, "exit 3", vec![0; 20_000_000])).unwrap();
    assert_eq!(output.ended, Ended::Status(3));
}

#[test]
fn what_a_script_writes_is_handed_over_as_it_comes() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let lines = RefCell::new(Vec::new());
    let mut hear = |data: &[u8]| lines.borrow_mut().push(String::from_utf8_lossy(data).into_owned());
    let script = "echo one; sleep 0.3; echo two; echo bad >&2";
    let output = on_one_thread(ssh.stream(As::User, script, "", &mut hear)).unwrap();
    assert_eq!(*lines.borrow(), ["one\n", "two\n"]);
    assert_eq!((output.ended, output.stderr), (Ended::Status(0), b"bad\n".to_vec()));
}

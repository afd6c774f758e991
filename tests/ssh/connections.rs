//! Connections: made, lost, made again, and given up in time.

use std::{net::TcpListener, time::Duration};

use orchestrator::effects::ssh::{As, Ssh, SshError, Target, error::Unreachable};

use crate::server::{Place, children, free_port, on_one_thread, target};

#[test]
fn a_lost_connection_is_made_again_and_the_script_repeated() {
    let place = Place::new();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let mark = place.path("mark");
    // The first time it ends its own connection, as a machine that falls over would.
    let script = "IFS= read -r mark; test -e \"$mark\" && exit 5; : >\"$mark\"; kill -KILL $PPID";
    let output = on_one_thread(async {
        ssh.run(As::User, "true", "").await.unwrap();
        ssh.run(As::User, script, format!("{}\n", mark.display())).await
    });
    assert_eq!(output.unwrap().ended.status(), Some(5));
}

#[test]
fn a_machine_that_does_not_come_back_is_lost_with_both_reasons() {
    let place = Place::new();
    let mut server = place.server("");
    let ssh = place.ssh(&server);
    let error = on_one_thread(async {
        ssh.run(As::User, "true", "").await.unwrap();
        let dying = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            server.kill();
        };
        tokio::join!(ssh.run(As::User, "sleep 60", ""), dying).0
    });
    let error = error.unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }) && error.heals(), "{error:?}");
    assert!(error.to_string().ends_with("connection refused"), "{error}");
}

#[test]
fn a_machine_that_falls_silent_is_noticed() {
    let place = Place::new();
    std::fs::write(place.path(".ssh/config"), "ServerAliveInterval 1\nServerAliveCountMax 1\n").unwrap();
    let server = place.server("");
    let ssh = place.ssh(&server);
    let error = on_one_thread(async {
        ssh.run(As::User, "true", "").await.unwrap();
        let frozen: Vec<_> = children(server.pid());
        for child in &frozen {
            rustix::process::kill_process(*child, rustix::process::Signal::STOP).unwrap();
        }
        let mut hear = |_: &[u8]| ();
        let result = ssh.stream(As::User, "sleep 60", "", &mut hear).await;
        for child in &frozen {
            let _ = rustix::process::kill_process(*child, rustix::process::Signal::KILL);
        }
        result
    });
    let because = "it no longer answers".to_owned();
    assert_eq!(error.unwrap_err(), SshError::Lost { because });
}

#[test]
fn what_does_not_answer_says_why() {
    let place = Place::new();
    let reach = |address: &str, port| {
        let target = Target { port: Some(port), ..Target::new("machine-1", address) };
        on_one_thread(Ssh::new(place.user(), target).run(As::User, "true", "")).unwrap_err()
    };
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    assert_eq!(reach("127.0.0.1", port), SshError::Unreachable { address, why: Unreachable::Refused });
    let error = reach("no-such-name.invalid", 22);
    assert!(matches!(error, SshError::Unreachable { why: Unreachable::NoSuchName(_), .. }), "{error}");
    assert!(error.heals());
}

#[test]
fn a_peer_that_says_nothing_is_given_up() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    std::fs::write(place.path(".ssh/config"), "ConnectTimeout 1\n").unwrap();
    let target = Target { port: Some(port), ..Target::new("machine-1", "127.0.0.1") };
    let error = on_one_thread(Ssh::new(place.user(), target).run(As::User, "true", "")).unwrap_err();
    assert!(matches!(error, SshError::HandshakeCut { .. }), "{error}");
    assert!(error.heals());
}

#[test]
fn many_connections_at_once_get_past_max_startups() {
    let place = Place::new();
    let server = place.server("MaxStartups 3:60:12");
    place.trust(&server);
    let user = place.user();
    let key = place.good_key();
    let machines: Vec<_> = (0..20).map(|_| Ssh::new(user.clone(), target(&server, Some(key.clone())))).collect();
    on_one_thread(async {
        let all = machines.iter().map(|ssh| ssh.run(As::User, "true", ""));
        for output in futures::future::join_all(all).await {
            assert!(output.unwrap().ended.ok());
        }
    });
}

#[track_caller]
fn twenty_scripts_on_one_connection(options: &str) {
    let place = Place::new();
    let server = place.server(options);
    let ssh = place.ssh(&server);
    on_one_thread(async {
        let all = (0..20).map(|_| ssh.run(As::User, "sleep 0.1; echo done", ""));
        for output in futures::future::join_all(all).await {
            assert_eq!(output.unwrap().stdout, b"done\n");
        }
        assert_eq!(children(server.pid()).len(), 1, "one connection");
    });
}

#[test]
fn twenty_scripts_at_once_share_one_connection() {
    twenty_scripts_on_one_connection("");
}

#[test]
fn a_machine_that_allows_fewer_sessions_gets_fewer() {
    twenty_scripts_on_one_connection("MaxSessions 2");
}

#[test]
fn a_script_that_is_dropped_makes_room_for_others() {
    let place = Place::new();
    let server = place.server("MaxSessions 1");
    let ssh = place.ssh(&server);
    on_one_thread(async {
        for _ in 0..3 {
            let hanging = ssh.run(As::User, "sleep 5", "");
            assert!(tokio::time::timeout(Duration::from_millis(300), hanging).await.is_err());
        }
        assert!(ssh.run(As::User, "true", "").await.unwrap().ended.ok());
    });
}

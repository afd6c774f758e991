//! Machines behind machines.

use std::{fs, rc::Rc};

use orchestrator::effects::ssh::{As, Ssh, SshError, SshUser, Target};

use crate::server::{Answers, Place, Server, children, free_port, on_one_thread};

/// Two servers: the first is the way to the second.
fn behind(place: &Place) -> [Server; 2] {
    let servers = [place.server(""), place.server("")];
    let key = place.good_key();
    let [bastion, inner] = [&servers[0], &servers[1]];
    let config = format!(
        "Host bastion\n  HostName 127.0.0.1\n  Port {}\n  User root\nHost inner\n  HostName 127.0.0.1\n  Port {}\n  \
         User root\n  ProxyJump bastion\nHost *\n  IdentityFile {}\n",
        bastion.port,
        inner.port,
        key.display()
    );
    fs::write(place.path(".ssh/config"), config).unwrap();
    servers
}

fn inner(user: &Rc<SshUser>) -> Ssh {
    Ssh::new(user.clone(), Target::new("machine-1", "inner"))
}

#[test]
fn machines_behind_a_bastion_share_its_connection() {
    let place = Place::new();
    let [bastion, server] = behind(&place);
    place.trust(&bastion);
    place.trust(&server);
    let user = place.user();
    let machines = [inner(&user), inner(&user), inner(&user)];
    on_one_thread(async {
        for output in futures::future::join_all(machines.iter().map(|ssh| ssh.run(As::Root, "id -un", ""))).await {
            assert_eq!(output.unwrap().stdout, b"root\n");
        }
        assert_eq!((children(bastion.pid()).len(), children(server.pid()).len()), (1, 3));
    });
}

#[test]
fn each_machine_on_the_way_has_its_own_host_key_check() {
    let place = Place::new();
    let [bastion, server] = behind(&place);
    let answers = Answers::new(&["yes", "no"]);
    let user = SshUser::new(place.surroundings(), Box::new(answers.clone()));
    let error = on_one_thread(inner(&user).run(As::User, "true", "")).unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error}");
    let questions = answers.questions.borrow();
    assert!(questions[0].contains(&format!("[127.0.0.1]:{}", bastion.port)), "{}", questions[0]);
    assert!(questions[1].contains(&format!("[127.0.0.1]:{}", server.port)), "{}", questions[1]);
}

#[test]
fn a_chain_goes_through_each() {
    let place = Place::new();
    let [bastion, second] = behind(&place);
    let third = place.server("");
    for server in [&bastion, &second, &third] {
        place.trust(server);
    }
    let chain = format!(
        "Host far\n  HostName 127.0.0.1\n  Port {}\n  User root\n  ProxyJump root@127.0.0.1:{},root@127.0.0.1:{}\n",
        third.port, bastion.port, second.port
    );
    let rest = fs::read_to_string(place.path(".ssh/config")).unwrap();
    fs::write(place.path(".ssh/config"), chain + &rest).unwrap();
    let ssh = Ssh::new(place.user(), Target::new("machine-1", "far"));
    assert!(on_one_thread(ssh.run(As::User, "true", "")).unwrap().ended.ok());
}

#[test]
fn a_machine_that_is_not_up_yet_behind_a_bastion_may_heal() {
    let place = Place::new();
    let [bastion, mut server] = behind(&place);
    place.trust(&bastion);
    server.kill();
    let error = on_one_thread(inner(&place.user()).run(As::User, "true", "")).unwrap_err();
    assert!(error.heals(), "{error}");
    assert!(error.to_string().ends_with("nothing answers there, as bastion sees it"), "{error}");
}

#[test]
fn a_bastion_that_forwards_nothing_is_no_matter_of_waiting() {
    let place = Place::new();
    let [_, server] = behind(&place);
    let closed = place.server("AllowTcpForwarding no");
    place.trust(&closed);
    place.trust(&server);
    let config = fs::read_to_string(place.path(".ssh/config")).unwrap();
    let jump = format!("ProxyJump root@127.0.0.1:{}", closed.port);
    fs::write(place.path(".ssh/config"), config.replace("ProxyJump bastion", &jump)).unwrap();
    let error = on_one_thread(inner(&place.user()).run(As::User, "true", "")).unwrap_err();
    assert!(matches!(error, SshError::ForwardingRefused { .. }), "{error}");
}

#[test]
fn circles_are_refused() {
    let place = Place::new();
    fs::write(place.path(".ssh/config"), "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n").unwrap();
    let error = on_one_thread(Ssh::new(place.user(), Target::new("m", "a")).run(As::User, "true", "")).unwrap_err();
    assert_eq!(error.to_string(), "ProxyJump b: it goes in circles: b -> a -> b");
}

#[test]
fn a_proxy_command_carries_the_connection() {
    let place = Place::new();
    let server = place.server("");
    place.trust(&server);
    let key = place.good_key();
    let command = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3'";
    let config = format!("User root\nIdentityFile {}\nHostKeyAlias [127.0.0.1]:{}\n", key.display(), server.port);
    fs::write(place.path(".ssh/config"), format!("{config}ProxyCommand {command}\n")).unwrap();
    let target = Target { port: Some(server.port), ..Target::new("machine-1", "somewhere") };
    assert!(on_one_thread(Ssh::new(place.user(), target).run(As::User, "true", "")).unwrap().ended.ok());
}

#[test]
fn a_proxy_command_that_fails_says_why() {
    let place = Place::new();
    fs::write(place.path(".ssh/config"), "ProxyCommand sh -c 'echo no way >&2'\n").unwrap();
    let target = Target { port: Some(free_port()), ..Target::new("machine-1", "somewhere") };
    let error = on_one_thread(Ssh::new(place.user(), target).run(As::User, "true", "")).unwrap_err().to_string();
    assert!(error.ends_with("the ProxyCommand said: no way"), "{error}");
}

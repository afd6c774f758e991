//! What a machine says of itself, and how often it is asked.

use std::{fs, os::unix::fs::PermissionsExt};

use orchestrator::{
    model::Role,
    providers::{
        Provider,
        ssh::{SshMachine, SshProvider},
    },
};

use crate::server::{Place, Server, on_one_thread};

/// A server on which `getconf`, which only the script of facts runs, says how often it has run.
fn server_that_counts(place: &Place) -> Server {
    let programs = place.path("programs");
    let getconf = programs.join("getconf");
    let count = place.path("count").display().to_string();
    fs::create_dir(&programs).unwrap();
    fs::write(&getconf, format!("#!/bin/sh\necho >>'{count}'\nwc -l <'{count}'\n")).unwrap();
    fs::set_permissions(&getconf, fs::Permissions::from_mode(0o755)).unwrap();
    place.server(&format!("SetEnv PATH={}:/usr/bin:/bin", programs.display()))
}

#[test]
fn a_machine_that_was_listed_is_not_asked_again_when_it_is_reached() {
    let place = Place::new();
    let server = server_that_counts(&place);
    place.trust(&server);
    let machine = SshMachine {
        name: "server-1".into(),
        role: Role::Server,
        address: "127.0.0.1".into(),
        user: Some("root".into()),
        port: Some(server.port),
        key: Some(place.good_key()),
    };
    let provider = SshProvider::new("school", None, place.path("state"), vec![machine], place.user()).unwrap();
    on_one_thread(async {
        let machine = provider.known().await.unwrap().remove(0);
        let host = provider.host(&machine);
        let times_asked = async || host.facts().await.unwrap().cpus;
        provider.list().await.unwrap();
        assert_eq!(times_asked().await, 1, "what it said when it was listed");
        assert_eq!(times_asked().await, 2, "what was heard once is old");
        provider.list().await.unwrap();
        assert_eq!(times_asked().await, 3, "what it said when it was listed again");
    });
}

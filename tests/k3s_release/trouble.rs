//! What is said when a release does not come.

use std::{fs, net::TcpListener, time::Duration};

use orchestrator::{
    effects::lock,
    failure::{DOWNLOAD_DAMAGED, DOWNLOAD_FAILED, DOWNLOAD_LOCKED, Entry, Failure, RELEASE_UNKNOWN},
};

use crate::{
    place::{Place, fetch},
    server::{Answer, BINARY, LIST, Server, noise, sha256},
};

#[track_caller]
fn is(failure: &Failure, entry: &Entry, words: &[&str]) {
    let said = format!("{} | {} | {}", failure.what, failure.because.join(" | "), failure.hint.as_ref().unwrap());
    assert_eq!(failure.id, entry.id, "{said}");
    for words in words {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}

#[test]
fn a_wrong_checksum_names_both_and_the_address_and_leaves_nothing_behind() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    let (wanted, other) = (sha256(&server.file(BINARY)), noise(300_000, 77));
    server.put(BINARY, other.clone());
    let failure = place.fetch(&server).unwrap_err();
    let address = format!("{}/v1.33.5%2Bk3s1/k3s", server.address);
    is(&failure, &DOWNLOAD_DAMAGED, &[&wanted, &sha256(&other), &address, "./orchestrator create"]);
    assert!(!place.part().exists() && !place.path(BINARY).exists() && !place.path(LIST).exists());
    assert_eq!(server.asked_for(BINARY), [None]);
}

#[test]
fn what_is_no_list_of_checksums_is_not_taken_for_one() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    server.put(LIST, "<html>Log in to the network first</html>");
    is(&place.fetch(&server).unwrap_err(), &DOWNLOAD_DAMAGED, &[LIST, "names no k3s"]);
}

#[test]
fn a_release_that_does_not_exist_is_asked_for_once() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    server.answer(LIST, &[Answer::Status(404)]);
    let words = ["v1.33.5+k3s1", "https://github.com/k3s-io/k3s/releases"];
    is(&place.fetch(&server).unwrap_err(), &RELEASE_UNKNOWN, &words);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    server.answer(LIST, &[Answer::Status(503)]);
    server.answer(BINARY, &[Answer::Status(503), Answer::Status(502)]);
    assert!(place.has_all_of(&server));
    assert_eq!((server.asked_for(LIST).len(), server.asked_for(BINARY).len()), (2, 3));
    assert!(place.waits()[0].starts_with("127.0.0.1: the server answers 503"), "{:?}", place.waits());
}

#[test]
fn a_server_that_stays_busy_is_given_up() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    server.answer(LIST, &[Answer::Status(503); 9]);
    is(&place.fetch(&server).unwrap_err(), &DOWNLOAD_FAILED, &["503", "./orchestrator create", "artifacts"]);
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn nobody_who_answers_is_the_cause_that_is_named() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = fetch(&place.cache(), &format!("http://{free}"), place.patience.clone(), &|_| ()).unwrap_err();
    is(&failure, &DOWNLOAD_FAILED, &["Connection refused", &free.to_string()]);
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_what_came_is_kept() {
    let (server, mut place) = (Server::new(300_000, 1_000), Place::new());
    place.patience.quiet = Duration::from_millis(300);
    server.answer(BINARY, &[Answer::Silent(100_000), Answer::Silent(0), Answer::Silent(0), Answer::Silent(0)]);
    server.answer(BINARY, &[Answer::Silent(0); 9]);
    is(&place.fetch(&server).unwrap_err(), &DOWNLOAD_FAILED, &["in 300ms"]);
    assert_eq!(fs::metadata(place.part()).unwrap().len(), 100_000);
}

#[test]
fn a_server_that_trickles_is_given_up_too() {
    let (server, mut place) = (Server::new(300_000, 1_000), Place::impatient());
    place.patience.quiet = Duration::from_millis(300);
    server.answer(BINARY, &[Answer::Trickle]);
    is(&place.fetch(&server).unwrap_err(), &DOWNLOAD_FAILED, &["next to nothing"]);
}

#[test]
fn a_server_that_sends_nothing_at_all_is_given_up() {
    let (server, mut place) = (Server::new(1_000, 1_000), Place::impatient());
    place.patience.quiet = Duration::from_millis(300);
    server.answer(LIST, &[Answer::Held]);
    is(&place.fetch(&server).unwrap_err(), &DOWNLOAD_FAILED, &["no answer in 300ms"]);
}

#[test]
fn another_run_that_gets_no_further_is_named() {
    let (server, mut place) = (Server::new(1_000, 1_000), Place::new());
    place.patience.lock = Duration::from_millis(300);
    fs::create_dir_all(place.path("")).unwrap();
    let held = lock::ask(&place.path("lock"), "`orchestrator`").unwrap();
    assert!(matches!(held, lock::Asked::Got(_)));
    let failure = place.fetch(&server).unwrap_err();
    is(&failure, &DOWNLOAD_LOCKED, &[&format!("process {}", std::process::id()), "300ms", "Ctrl-C"]);
    assert!(place.waits()[0].ends_with("is fetching K3s"), "{:?}", place.waits());
    drop(held);
    assert!(place.has_all_of(&server));
}

#[test]
fn a_mirror_that_is_no_address_is_refused_without_its_password() {
    let place = Place::new();
    let failure = fetch(&place.cache(), "ftp://me:secret@mirror.test", place.patience.clone(), &|_| ()).unwrap_err();
    is(&failure, &DOWNLOAD_FAILED, &["mirror.test", "ftp", "ORCHESTRATOR_K3S_MIRROR"]);
    assert!(!format!("{failure:?}").contains("secret"));
}

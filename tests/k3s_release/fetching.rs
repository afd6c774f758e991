//! What is fetched, and what is not fetched again.

use std::fs;

use crate::{
    place::Place,
    server::{ARCHIVE, Answer, BINARY, LIST, Server, noise},
};

#[test]
fn a_release_is_fetched_once() {
    let (server, place) = (Server::new(300_000, 500_000), Place::new());
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked()[0].uri, format!("/v1.33.5%2Bk3s1/{LIST}"));
    assert_eq!(place.progress(), Some((800_000, 800_000)));
    let requests = server.asked().len();
    assert!(!place.has_all_of(&server));
    assert_eq!((requests, server.asked().len()), (3, 3));
}

#[test]
fn a_cut_connection_is_continued_where_it_was_cut() {
    let (server, place) = (Server::new(300_000, 500_000), Place::new());
    server.answer(BINARY, &[Answer::Cut(100_000), Answer::Cut(50_000)]);
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), [None, Some(100_000), Some(150_000)]);
    assert_eq!(place.waits().len(), 2, "{:?}", place.waits());
}

#[test]
fn bytes_that_came_begin_the_row_of_attempts_again() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    server.answer(BINARY, &[Answer::Cut(30_000); 9]);
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY).len(), 10);
}

#[test]
fn the_next_run_continues_what_the_last_one_left() {
    let (server, place) = (Server::new(300_000, 1_000), Place::impatient());
    server.answer(BINARY, &[Answer::Cut(100_000)]);
    place.fetch(&server).unwrap_err();
    assert_eq!(fs::metadata(place.part()).unwrap().len(), 100_000);
    assert!(!place.path(BINARY).exists() && !place.path(LIST).exists());
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), [None, Some(100_000)]);
    assert_eq!(server.asked_for(ARCHIVE), [None]);
}

#[test]
fn a_file_that_was_whole_but_had_no_name_yet_is_not_fetched_again() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    fs::create_dir_all(place.path("")).unwrap();
    fs::write(place.part(), server.file(BINARY)).unwrap();
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), []);
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_of_it_again() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    server.answer(BINARY, &[Answer::WholeCut(100_000), Answer::Whole]);
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), [None, Some(100_000)]);
}

#[test]
fn a_file_that_changed_between_two_answers_is_begun_anew() {
    let (server, place) = (Server::new(300_000, 1_000), Place::impatient());
    server.answer(BINARY, &[Answer::Cut(100_000)]);
    place.fetch(&server).unwrap_err();
    server.release(&noise(400_000, 77));
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), [None, Some(100_000), None]);
}

#[test]
fn a_file_that_became_shorter_than_what_has_come_is_begun_anew() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    fs::create_dir_all(place.path("")).unwrap();
    fs::write(place.part(), noise(500_000, 77)).unwrap();
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), [Some(500_000), None]);
}

#[test]
fn redirects_are_followed_and_continued() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    server.answer(BINARY, &[Answer::Moved, Answer::Cut(100_000), Answer::Moved]);
    assert!(place.has_all_of(&server));
    assert_eq!(server.asked_for(BINARY), [None, None, Some(100_000), Some(100_000)]);
    assert_eq!(server.asked().iter().filter(|asked| asked.uri == "/elsewhere/k3s").count(), 2);
}

#[test]
fn a_file_that_was_damaged_or_removed_since_is_fetched_again_and_nothing_else() {
    let (server, place) = (Server::new(300_000, 1_000), Place::new());
    place.has_all_of(&server);
    fs::write(place.path(BINARY), noise(300_000, 77)).unwrap();
    assert!(place.has_all_of(&server));
    fs::remove_file(place.path(ARCHIVE)).unwrap();
    assert!(place.has_all_of(&server));
    assert_eq!((server.asked_for(BINARY).len(), server.asked_for(ARCHIVE).len()), (2, 2));
}

#[test]
fn a_release_without_an_archive_is_its_binary() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    server.put(LIST, format!("{}  {BINARY}\n", crate::server::sha256(&server.file(BINARY))));
    let files = place.fetch(&server).unwrap().into_inner();
    assert_eq!(files.len(), 1);
}

//! What `doctor` says of a release, without fetching anything.

use std::{fs, process::Command};

use crate::{
    place::Place,
    server::{ARCHIVE, BINARY, LIST, Server},
};

/// Returns what `doctor` says of K3s for a cluster with this `[k3s]`.
fn says(place: &Place, server: &Server, k3s: &str) -> String {
    let project = tempfile::tempdir().unwrap();
    let toml = format!(
        "version = 1\n[cluster]\nname = \"shop\"\nprovider = \"ssh\"\n[k3s]\n{k3s}\n[ssh]\n\
         hosts = [{{ address = \"127.0.0.1\", port = 1, role = \"server\" }}]\n"
    );
    fs::write(project.path().join("orchestrator.toml"), toml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .arg("doctor")
        .current_dir(project.path())
        .env_clear()
        .env("HOME", project.path())
        .env("XDG_CACHE_HOME", place.cache().parent().unwrap())
        .env("ORCHESTRATOR_K3S_MIRROR", &server.address)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().filter(|line| line.contains("K3s")).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_says_what_of_a_release_is_in_the_cache() {
    let (server, place) = (Server::new(2_000_000, 1_000), Place::new());
    let said = says(&place, &server, "");
    assert!(said.contains("K3s v1.33.5+k3s1 is not here yet"), "{said}");
    fs::create_dir_all(place.path("")).unwrap();
    fs::write(place.part(), vec![0; 1_000_000]).unwrap();
    let said = says(&place, &server, "");
    assert!(said.contains("is here in part (1 MB"), "{said}");
    assert_eq!(server.asked(), []);
    place.has_all_of(&server);
    let said = says(&place, &server, "");
    assert!(said.contains("K3s v1.33.5+k3s1 for amd64 is in"), "{said}");
    fs::remove_file(place.path(ARCHIVE)).unwrap();
    let said = says(&place, &server, "");
    assert!(said.contains("is here in part"), "{said}");
}

#[test]
fn it_says_what_a_folder_of_artifacts_lacks() {
    let (server, place) = (Server::new(1_000, 1_000), Place::new());
    let folder = tempfile::tempdir().unwrap();
    let k3s = format!("artifacts = \"{}\"", folder.path().display());
    let put = |name: &str| fs::write(folder.path().join(name), server.file(name)).unwrap();
    let lacks = |name: &str| {
        let said = says(&place, &server, &k3s);
        assert!(said.contains(&format!("have no {name}")), "{said}");
    };
    lacks(LIST);
    put(LIST);
    lacks(BINARY);
    put(BINARY);
    lacks("images for amd64");
    put(ARCHIVE);
    let said = says(&place, &server, &k3s);
    assert!(said.contains("the K3s artifacts for amd64 are in"), "{said}");
    assert_eq!(server.asked(), []);
}

//! What the images are built from.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

const SERVICES: [&str; 3] = ["api-gateway", "billing-app", "inventory-app"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn packages(lock: &Path) -> BTreeSet<(String, String)> {
    let lock: toml::Table = fs::read_to_string(lock).unwrap().parse().unwrap();
    let text = |package: &toml::Value, key: &str| package[key].as_str().unwrap().to_owned();
    let packages = lock["package"].as_array().unwrap().iter();
    packages.map(|package| (text(package, "name"), text(package, "version"))).collect()
}

#[test]
fn images_have_the_versions_that_are_tested() {
    let tested = packages(&root().join("Cargo.lock"));
    for service in SERVICES {
        let built = packages(&root().join("Dockerfiles").join(service).join("Cargo.lock"));
        let other: Vec<_> = built.difference(&tested).collect();
        assert!(other.is_empty(), "{service} has other versions than Cargo.lock: {other:?}: run tests/services/lock");
    }
}

#[test]
fn lock_files_fit_their_manifests() {
    for service in SERVICES {
        let (folder, copy) = (root().join("Dockerfiles").join(service), tempfile::tempdir().unwrap());
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(folder.join(file), copy.path().join(file)).unwrap();
        }
        fs::create_dir(copy.path().join("src")).unwrap();
        fs::write(copy.path().join("src/main.rs"), "fn main() {}").unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--quiet", "--locked", "--offline"]).current_dir(copy.path());
        let output = cargo.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{service}: {error}: run tests/services/lock");
    }
}

//! The VirtualBox side, as far as it goes without VirtualBox: the real Vagrant reads what is generated for it.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::project::Project;

/// A VirtualBox that has no machines.
const VBOXMANAGE: &str = "#!/bin/sh\n[ \"$1\" != --version ] || echo 7.0.20r163906\n";

/// A cluster on a computer with a VirtualBox that has no machines. There is no box, so that none is made.
fn project(addresses: &str) -> Project {
    let mut project = Project::without_machines(1);
    project.vagrant =
        format!("hypervisor = \"virtualbox\"\nnetwork = \"192.168.60.0/24\"\naddresses = \"{addresses}\"");
    project.box_url = "nowhere.box".into();
    project.configure();
    let program = project.home("VBoxManage");
    fs::write(&program, VBOXMANAGE).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", project.home("").display(), std::env::var("PATH").unwrap());
    project.env("PATH", &path);
    project.env("VAGRANT_HOME", &project.home(".vagrant.d").display().to_string());
    project.env("VAGRANT_DEFAULT_PROVIDER", "virtualbox");
    project.run(&["create"]).exits(3).says("error[PRE-025]");
    project
}

#[test]
fn vagrant_takes_the_configuration_for_virtualbox() {
    let project = project("fixed");
    let folder = project.state().join("vagrant");
    let validated = project.vagrant_in(&folder, &["validate"]);
    let words = String::from_utf8(validated.stdout).unwrap() + &String::from_utf8(validated.stderr).unwrap();
    assert!(validated.status.success(), "{words}");
    insta::assert_snapshot!("virtualbox_fixed", read(&project));
    project.run(&["destroy", "--yes"]).ok();
    assert!(!project.path(".orchestrator").exists());
}

#[test]
fn addresses_may_come_from_virtualbox() {
    insta::assert_snapshot!("virtualbox_dhcp", read(&project("dhcp")));
}

/// What Vagrant makes of the generated files.
#[track_caller]
fn read(project: &Project) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vagrant/virtualbox.rb");
    let read = project.ruby_in(&project.state().join("vagrant"), &[script]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    String::from_utf8(read.stdout).unwrap().replace(&project.name, "shop").replace(&project.prefix(), "0a1b2c-")
}

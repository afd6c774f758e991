//! What keeps virtual machines from being made, each told before there is one.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
};

use crate::{
    computer::{domains, output, virsh},
    project::Project,
    ran::Ran,
};

/// A cluster that gets no virtual machine, with a Vagrant that knows no box.
fn project() -> Project {
    let mut project = Project::without_machines(1);
    project.env("VAGRANT_HOME", &project.home(".vagrant.d").display().to_string());
    project
}

/// Runs `create`, which is refused with this exit code and id, for this reason, and says what to do next.
#[track_caller]
fn is_refused(project: &Project, code: i32, id: &str, why: &str, next: &str) -> Ran {
    let refused = project.run(&["create"]).exits(code).says(&format!("error[{id}]: {why}"));
    assert!(refused.next().contains(next), "{refused}");
    assert_eq!(refused.stderr.matches("error[").count(), 1, "it is said more than once:\n{refused}");
    assert_eq!(domains(&project.name), [""; 0]);
    refused
}

/// A folder with programs of this computer, to be the whole PATH.
fn programs(project: &Project, names: &[&str]) -> String {
    let folder = project.home("programs");
    fs::create_dir(&folder).unwrap();
    for name in names {
        let found = String::from_utf8(output("which", &[name]).stdout).unwrap();
        symlink(found.trim(), folder.join(name)).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn vagrant_that_is_not_installed() {
    let mut project = project();
    let programs = programs(&project, &["setsid", "virsh", "apt-get"]);
    project.env("PATH", &programs);
    is_refused(&project, 3, "PRE-020", "Vagrant is not installed", "sudo apt install vagrant");
    project.run(&["doctor"]).exits(1).says("Vagrant is not installed");
}

#[test]
fn libvirt_that_is_not_installed() {
    let mut project = project();
    let programs = programs(&project, &["setsid", "vagrant", "apt-get"]);
    project.env("PATH", &programs);
    is_refused(&project, 3, "PRE-020", "libvirt is not installed", "sudo apt install libvirt-daemon-system");
}

#[test]
fn a_plugin_that_is_not_installed() {
    let mut project = project();
    project.env("VAGRANT_NO_PLUGINS", "1");
    is_refused(&project, 3, "PRE-020", "Vagrant has no plugin for libvirt", "sudo apt install vagrant-libvirt");
}

#[test]
fn virtualbox_that_is_not_installed() {
    let mut project = project();
    project.vagrant = "hypervisor = \"virtualbox\"".into();
    project.configure();
    is_refused(&project, 3, "PRE-020", "VirtualBox is not installed", "virtualbox");
}

#[test]
fn libvirt_that_does_not_answer() {
    let mut project = project();
    project.env("LIBVIRT_DEFAULT_URI", "qemu+unix:///system?socket=/nowhere");
    is_refused(&project, 3, "PRE-021", "libvirt does not answer", "sudo systemctl enable --now libvirtd");
    project.run(&["status"]).exits(3).says("error[PRE-021]");
}

#[test]
fn a_storage_pool_that_is_not_there() {
    let mut project = project();
    project.storage_pool = "nowhere".into();
    project.configure();
    let refused = is_refused(&project, 3, "PRE-026", "libvirt has no storage pool `nowhere`", "pool-define-as nowhere");
    refused.says("orchestrator-tests").says_not("Box");
}

#[test]
fn a_box_that_is_not_there() {
    let mut project = project();
    project.box_url = "boxes/debian12.box".into();
    project.configure();
    let refused = is_refused(&project, 3, "PRE-025", "the box is not to be had", "box-url");
    refused.says(&project.path("boxes/debian12.box").display().to_string());
    project.run(&["doctor"]).exits(1).says("there is no box");
}

#[test]
fn a_box_that_is_damaged() {
    let mut project = project();
    project.box_url = "debian12.box".into();
    project.configure();
    fs::write(project.path("debian12.box"), [7; 4096]).unwrap();
    is_refused(&project, 3, "PRE-025", "the box is damaged", "box-url");

    // A machine was begun, so the hypervisor stays.
    project.vagrant = "hypervisor = \"virtualbox\"".into();
    project.configure();
    is_refused(&project, 2, "CFG-008", "libvirt runs the machines", "hypervisor = \"libvirt\"");
    project.run(&["destroy", "--yes"]).ok();
    project.has_left_nothing();
}

#[test]
fn a_box_for_another_hypervisor() {
    let mut project = project();
    project.box_url = "debian12.box".into();
    project.configure();
    fs::write(project.path("metadata.json"), r#"{"provider":"virtualbox"}"#).unwrap();
    let folder = project.path("").display().to_string();
    let packed = output("tar", &["-C", &folder, "-cf", &format!("{folder}/debian12.box"), "metadata.json"]);
    assert!(packed.status.success());
    is_refused(&project, 3, "PRE-025", "there is no box of that version for this hypervisor", "box");
}

#[test]
fn extra_lines_that_vagrant_does_not_understand() {
    let mut project = project();
    let cases = [
        ("config.vm.hostname = ", "[vagrant] extra:1"),
        ("raise 'boom'", "boom (RuntimeError)"),
        ("config.nosuch.x = 1", "Unknown configuration section 'nosuch'"),
    ];
    for (lines, words) in cases {
        project.vagrant = format!("extra = \"{lines}\"");
        project.configure();
        let refused = is_refused(&project, 2, "CFG-007", "Vagrant does not accept its configuration", "extra");
        refused.says(words).says_not("from /");
    }
}

#[test]
fn extra_lines_that_ask_for_a_plugin() {
    let mut project = project();
    project.vagrant = "extra = \"config.vagrant.plugins = 'vagrant-nosuch'\"".into();
    project.configure();
    let next = "vagrant plugin install vagrant-nosuch";
    is_refused(&project, 3, "PRE-020", "Vagrant lacks a plugin that its configuration asks for", next);
}

#[test]
fn a_network_that_another_has() {
    let mut project = project();
    let network = OthersNetwork::new(&project, "192.168.208.0/22");
    project.vagrant = "network = \"192.168.211.0/24\"".into();
    project.configure();
    let why = "the network 192.168.211.0/24 of `[vagrant] network` is in use on this computer";
    let refused = is_refused(&project, 3, "PRE-024", why, "[vagrant] network = ");
    refused.says(&format!("the network `{}` of libvirt is 192.168.208.0/22", network.0));
}

/// A network of libvirt that is defined and switched off.
struct OthersNetwork(String);

impl OthersNetwork {
    fn new(project: &Project, addresses: &str) -> Self {
        let name = format!("others-{}", project.name);
        let (address, prefix) = addresses.split_once('/').unwrap();
        let address = address.strip_suffix('0').unwrap();
        let text = format!("<network><name>{name}</name><ip address='{address}1' prefix='{prefix}'/></network>");
        let file = project.home("network.xml");
        fs::write(&file, text).unwrap();
        virsh(&["net-define", file.to_str().unwrap()]);
        Self(name)
    }
}

impl Drop for OthersNetwork {
    fn drop(&mut self) {
        virsh(&["net-undefine", &self.0]);
    }
}

#[test]
fn another_vagrant_that_works_on_the_machine() {
    let mut project = project();
    project.agents = 0;
    project.configure();
    // Vagrant's own lock for the work on one machine.
    let folder = project.state().join("vagrant").display().to_string();
    let place = format!("{folder}{folder}/.vagrant{}-server-1", project.name);
    let sum = digest(&project, &place);
    let data = project.home(".vagrant.d/data");
    fs::create_dir_all(&data).unwrap();
    let lock = File::create(data.join(format!("lock.machine-action-{sum}.lock"))).unwrap();
    lock.lock().unwrap();
    is_refused(&project, 4, "PRV-008", "virtual machine `", "orchestrator create").says("another Vagrant");
}

/// The MD5 sum of a text.
fn digest(project: &Project, text: &str) -> String {
    let file = project.home("text");
    fs::write(&file, text).unwrap();
    let said = output("md5sum", &[file.to_str().unwrap()]).stdout;
    String::from_utf8(said).unwrap().split_whitespace().next().unwrap().into()
}

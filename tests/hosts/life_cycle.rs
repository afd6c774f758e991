use crate::lab::{Lab, mode};

#[test]
fn from_machines_to_a_cluster_and_back() {
    let lab = Lab::new(1, 2);

    let created = lab.run(&["create"]).ok();
    assert_eq!(created.last_line(), "cluster created");
    lab.is_whole();
    let kubeconfig = lab.state().join("kubeconfig");
    assert_eq!(mode(&kubeconfig), 0o600);
    assert_eq!(lab.kubectl("config get-contexts -o name").trim(), "rack");
    lab.run(&["status"]).ok();
    lab.creates_nothing();

    assert_eq!(lab.run(&["stop"]).ok().last_line(), "cluster stopped");
    lab.run(&["status"]).exits(1).says("rack: stopped");
    for machine in &lab.machines {
        assert_eq!(machine.k3s_processes(), [""; 0], "{}", machine.name);
    }
    assert_eq!(lab.run(&["stop"]).ok().last_line(), "cluster stopped");

    assert_eq!(lab.run(&["start"]).ok().last_line(), "cluster started");
    lab.is_whole();
    lab.run(&["status"]).ok();
    lab.creates_nothing();

    assert_eq!(lab.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
    assert!(!lab.path(".orchestrator").exists());
    for machine in &lab.machines {
        assert_eq!(machine.k3s_processes(), [""; 0], "{}", machine.name);
    }
    assert_eq!(lab.run(&["destroy", "--yes"]).ok().last_line(), "cluster destroyed");
}

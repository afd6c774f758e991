//! Clusters whose state directory was removed while they live.

use std::fs;

use crate::{project::Project, safety::is_safe};

/// Loses the state directory; then `create` finds the machines, and changes nothing on them.
#[track_caller]
pub fn finds_the_machines_again(project: &Project) {
    let (uuids, id) = (project.uuids(), project.status()["id"].clone());
    lose(project);
    project.run(&["create"]).ok();
    project.is_whole();
    assert_eq!(project.uuids(), uuids);
    assert_eq!(project.status()["id"], id);
    is_safe(project);
    project.creates_nothing();
}

/// Loses the state directory; then `destroy` finds all that there is.
#[track_caller]
pub fn leaves_nothing(project: &Project) {
    lose(project);
    project.run(&["destroy", "--yes"]).ok();
    project.has_left_nothing();
}

fn lose(project: &Project) {
    fs::remove_dir_all(project.path(".orchestrator")).unwrap();
}

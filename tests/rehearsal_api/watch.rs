//! Tables, and objects as they change.

use std::{process::Stdio, time::Duration};

use crate::{
    rehearsal::{POD, rehearsal},
    support::{Ran, contains, within_seconds},
};

#[test]
fn tables_are_those_of_the_real_server() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("apply -f web.yaml").ok();
    let squeezed =
        |line: &str| r.kubectl(line).ok().lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed("get deployments"), "NAME READY UP-TO-DATE AVAILABLE AGE");
    assert_eq!(
        squeezed("get deployments -o wide -A"),
        "NAMESPACE NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR"
    );
    contains(&r.kubectl("get deployment web").ok(), "0/2");
    assert_eq!(squeezed("get namespaces"), "NAME STATUS AGE");
}

#[test]
fn a_table_watch_prints_rows() {
    let r = rehearsal();
    let out = std::fs::File::create(r.path("out")).unwrap();
    let mut watch = r.command("get configmaps -w").stdout(out).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    r.kubectl("create configmap one --from-literal=a=b").ok();
    within_seconds(10, || std::fs::read_to_string(r.path("out")).ok().filter(|text| text.contains("one ")));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn watch_and_wait() {
    let r = rehearsal();
    let mut watch = r.command("get pods -w -o name").stdout(Stdio::piped()).spawn().unwrap();
    r.file("pod.yaml", &POD.replace("NAME", "one"));
    r.kubectl("create -f pod.yaml").ok();
    let wait = r.command("wait --for=condition=Ready pod/one --timeout=20s").stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let ready = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    r.kubectl(&format!("patch pod one --subresource=status -p '{ready}'")).ok();
    contains(&Ran::from(wait.wait_with_output().unwrap()).ok(), "pod/one condition met");
    let gone = r.command("wait --for=delete pod/one --timeout=20s").stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    r.kubectl("delete pod one").ok();
    contains(&Ran::from(gone.wait_with_output().unwrap()).ok(), "pod/one condition met");
    watch.kill().unwrap();
    let seen = String::from_utf8(watch.wait_with_output().unwrap().stdout).unwrap();
    assert!(seen.lines().count() >= 3 && seen.lines().all(|line| line == "pod/one"), "{seen}");
}

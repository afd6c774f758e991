//! `orchestrator test`: the checks of the shipped stack, with the real services behind the cluster's API.

use std::{fs, process::Output, time::Duration};

use rustix::process::Signal;

use crate::{
    cluster::{Cluster, Flaw},
    course::orders,
    wait::eventually,
};

#[track_caller]
fn exits(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).join("\n");
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

async fn films(cluster: &Cluster) -> i64 {
    let mut connection = cluster.containers.lock().await.films.connect().await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM movies").fetch_one(&mut connection).await.unwrap()
}

async fn bills(cluster: &Cluster) -> usize {
    let database = cluster.containers.lock().await.orders.clone();
    orders(&database).await.len()
}

async fn flawed(cluster: &Cluster, flaw: Flaw) {
    cluster.containers.lock().await.flaw = flaw;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_checks_pass_on_services_that_work_and_fail_on_those_that_do_not() {
    let cluster = Cluster::start().await;

    let text = exits(&cluster.run(&["test", "--junit", "out/checks.xml"]).await, 0);
    assert!(text.contains("6 of 6 checks passed"), "{text}");
    let report = fs::read_to_string(cluster.path("out/checks.xml")).unwrap();
    assert!(report.contains(r#"<testsuite name="microservices" tests="6" failures="0" skipped="0""#), "{report}");
    assert_eq!((films(&cluster).await, bills(&cluster).await), (0, 0), "the checks left something");
    assert!(exits(&cluster.run(&["deploy"]).await, 0).contains("nothing had to change"));

    flawed(&cluster, Flaw::WritesTwice).await;
    let text = exits(&cluster.run(&["test", "--junit", "out/checks.xml"]).await, 1);
    assert!(text.contains("step 5, psql in billing-database: pod billing-database-0 printed something else than `1`"));
    assert!(text.contains("    | 2\n") && text.contains("5 of 6 checks passed, 1 failed"), "{text}");
    let report = fs::read_to_string(cluster.path("out/checks.xml")).unwrap();
    assert!(report.contains(r#"failures="1""#) && report.contains("step 5, psql in billing-database"), "{report}");
    assert_eq!(bills(&cluster).await, 0, "what comes at the end of a check was not done");

    flawed(&cluster, Flaw::ForgetsFilms).await;
    let text = exits(&cluster.run(&["test", "-o", "json"]).await, 1);
    let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let events: Vec<_> = text.lines().filter_map(event).filter(|event| event["kind"] == "check_finished").collect();
    let failed: Vec<_> = events.iter().filter(|event| event["verdict"] == "failed").collect();
    assert_eq!((events.len(), failed.len()), (6, 1), "{text}");
    assert_eq!(failed[0]["check"], "storage");
    assert!(failed[0]["because"].as_str().unwrap().contains("answered 404, not 2xx (for 5s)"), "{}", failed[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_interrupted_puts_back_what_it_changed() {
    let cluster = Cluster::start().await;
    // An order that no consumer may take while the check looks.
    let mut running = cluster.spawn(&["test"]);
    eventually("billing is scaled to nothing", 60, async || {
        let log = running.log();
        log.contains("psql in billing-database").then_some(())
    })
    .await;
    running.signal(Signal::INT);
    assert_eq!(running.ended(30).await.code(), Some(130), "{}", running.log());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(exits(&cluster.run(&["status"]).await, 0).contains("billing-app"));
    assert_eq!(bills(&cluster).await, 0);
}

use crate::{ran::Ran, sandbox::Sandbox};

#[track_caller]
fn is_plain(ran: &Ran) {
    let control = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
    assert!(!control(&ran.stdout) && !control(&ran.stderr), "{ran}");
}

#[test]
fn plain_screens_of_a_life() {
    let sandbox = Sandbox::shop();
    let _redacted = sandbox.redacted();
    let shows = |name: &str, arguments: &[&str]| {
        let ran = sandbox.run(arguments);
        is_plain(&ran);
        insta::assert_snapshot!(name, ran.to_string());
    };
    shows("status_absent", &["status"]);
    shows("plan_absent", &["plan"]);
    shows("create", &["create", "--progress", "plain"]);
    shows("create_again", &["create"]);
    shows("status_running", &["status"]);
    shows("report", &["report"]);
    shows("stop", &["stop"]);
    shows("status_stopped", &["status"]);
    shows("start", &["start"]);
    shows("doctor", &["doctor"]);
    shows("destroy", &["destroy", "--yes"]);
}

#[test]
fn plain_screens_of_failures() {
    let sandbox = Sandbox::shop().configured("[rehearsal.faults]\ncrash-loop = [\"database\"]");
    let _redacted = sandbox.redacted();
    let shows = |name: &str, arguments: &[&str]| {
        let ran = sandbox.run(arguments);
        is_plain(&ran);
        insta::assert_snapshot!(name, ran.to_string());
    };
    shows("create_crash_loop", &["create"]);
    shows("create_crash_loop_quiet", &["create", "-q"]);
    shows("status_crash_loop", &["status"]);
}

#[test]
fn quiet_is_quiet_and_verbose_tells_more() {
    let sandbox = Sandbox::shop();
    let quiet = sandbox.run(&["create", "-q"]).ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("cluster created\n", ""));
    sandbox.run(&["create", "-v"]).ok().says("shop-agent-1: unchanged");
}

#[test]
fn colour_only_where_it_is_wanted() {
    for (name, value) in [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")] {
        let sandbox = Sandbox::shop().env(name, value);
        is_plain(&sandbox.run(&["status"]));
        is_plain(&sandbox.run(&["create"]).ok());
    }
}

#[test]
fn every_option_has_a_variable() {
    let sandbox = Sandbox::shop().env("ORCHESTRATOR_OUTPUT", "json").env("ORCHESTRATOR_CLUSTER", "other");
    assert_eq!(sandbox.run(&["create"]).ok().finished()["message"], "cluster created");
    assert_eq!(sandbox.run(&["status"]).ok().json()["cluster"], "other");
}

/// The titles of the steps that a screen shows, in order of their names: some run side by side.
fn titles(screen: &str) -> Vec<&str> {
    let mut titles: Vec<_> =
        screen.lines().filter_map(|line| line.strip_prefix(" ok ")?.split_once(':').map(|(title, _)| title)).collect();
    titles.sort_unstable();
    titles
}

#[test]
fn the_session_in_the_readme_has_the_steps_of_today() {
    let sandbox = Sandbox::shipped();
    let ran = sandbox.run(&["create"]).ok();
    let readme = include_str!("../../README.md");
    let session = readme.split("<!-- session -->").nth(1).unwrap().split("```").nth(1).unwrap();
    assert_eq!(titles(session), titles(&ran.stderr), "{ran}");
}

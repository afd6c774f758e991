use crate::sandbox::Sandbox;

const CHECKS: &str = "[stacks.shop.checks.restart]\ntitle = \"the database comes back\"\n\
    steps = [{ delete-pods = \"database\" }, { scale = \"web\", to = 3 }]\n\
    [stacks.shop.checks.answers]\nsteps = [{ scale = \"web\", to = 0 }, { http = \"GET web/\" }]\n";

#[test]
fn a_rehearsal_says_what_it_cannot_check_and_checks_the_rest() {
    let sandbox = Sandbox::shop().configured(CHECKS);
    sandbox.run(&["test"]).exits(3).says("there is no cluster `shop`");
    sandbox.run(&["create"]).ok();
    let pod = "get pod database-0 -n shop -o jsonpath={.metadata.uid}";
    let before = sandbox.kubectl(pod);

    let ran = sandbox.run(&["test", "--junit", "reports/checks.xml"]).exits(3);
    let ran = ran.says("shop/restart: the database comes back: passed").says("shop/answers: answers: not run");
    let ran = ran.says("because: this is a rehearsal cluster: no container runs, so nothing answers here");
    ran.says("3 of 4 checks passed, 1 could not be run").says_not("autoscalers");
    assert_ne!(sandbox.kubectl(pod), before);
    assert_eq!(sandbox.kubectl("get deployment web -n shop -o jsonpath={.spec.replicas}"), "2");
    sandbox.run(&["status"]).ok();

    let report = sandbox.read("reports/checks.xml");
    assert!(report.contains("<testsuite name=\"shop\" tests=\"4\" failures=\"0\" skipped=\"1\""), "{report}");
    assert!(report.contains("<skipped message=\"this is a rehearsal cluster"), "{report}");

    let events = sandbox.run(&["test", "-o", "json"]).exits(3).events();
    let verdicts: Vec<_> = events.iter().filter(|event| event["kind"] == "check_finished").collect();
    let verdict = |check: &str| verdicts.iter().find(|event| event["check"] == check).unwrap()["verdict"].clone();
    assert_eq!((verdicts.len(), verdict("answers"), verdict("pods")), (4, "not-run".into(), "passed".into()));
}

#[test]
fn what_does_not_work_fails_its_check_and_the_command() {
    let sandbox = Sandbox::shop().configured("[rehearsal.faults]\nimage-pull = [\"web\"]\n");
    sandbox.run(&["create", "--on-failure", "keep"]).exits(8);
    sandbox.run(&["--timeout", "4s", "test"]).exits(9).says("last seen: Deployment web: ");
    sandbox.kubectl("delete deployment,service web -n shop");
    let ran = sandbox.run(&["test", "-q"]);
    let ran = ran.exits(1).says("!! shop/pods").says("because: Deployment web: it is not there");
    ran.says("because: Service web: it is not there").says("0 of 2 checks passed, 2 failed").says_not("==>");
}

#[test]
fn a_check_of_what_the_stack_does_not_have_is_refused_by_every_command() {
    let checks = "[stacks.shop.checks.it]\nsteps = [{ http = \"GET wbe/\" }, { scale = \"databse\", to = 0 }]\n";
    let sandbox = Sandbox::shop().configured(checks);
    for command in ["create", "test", "plan"] {
        let ran = sandbox.run(&[command]).exits(2).says("error[CFG-009]: the checks of the stacks have 2 problems");
        ran.says("[stacks.shop.checks.it] steps, step 1: the stack has no Service `wbe`: did you mean `web`?")
            .says("step 2: the stack has no workload `databse`: did you mean `database`?");
    }
    assert!(!sandbox.path(".orchestrator").exists());
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_checks_are_run() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["create"]).ok();
    let ran = sandbox.run(&["test", "--junit", "orchestrator.toml/checks.xml"]).exits(3);
    ran.says("error[PRE-027]").says("cannot write the report orchestrator.toml/checks.xml").says_not("==>");
}

use tokio::time::Instant;

use super::{
    Miss,
    exercise::{Exercise, Stopped},
    presence::Presence,
};
use crate::{
    effects::kube::Kube,
    engine::{Scope, Step},
    failure::Failure,
    model::{
        Done,
        check::{CheckResult, Verdict},
    },
    plan::{checks::Check, stack::ParsedStack},
};

pub const STEP: Step = Step { id: "run-checks", title: "Run the checks" };

/// Runs the checks of the stacks, one after the other, and returns how each came out.
///
/// # Errors
/// When the user wants to stop.
pub async fn run_checks(
    kube: &dyn Kube,
    stacks: &[ParsedStack],
    scope: &Scope<'_>,
) -> Result<Done<Vec<CheckResult>>, Failure> {
    let no_containers =
        kube.containers_run().await.map_err(|error| error.into_failure("the checks cannot begin"))?.err();
    let mut results = Vec::new();
    for stack in stacks {
        for presence in Presence::ALL.into_iter().filter(|presence| !presence.of(stack).is_empty()) {
            let began = Instant::now();
            let came = presence.look(kube, stack, scope).await?;
            results.push(told(scope, stack, (presence.name(), presence.title()), verdict(came), began));
        }
        for check in &stack.checks {
            let began = Instant::now();
            let verdict = match no_containers.as_ref().filter(|_| check.needs_containers()) {
                Some(because) => Verdict::NotRun { because: because.clone() },
                None => exercised(kube, check, scope).await?,
            };
            results.push(told(scope, stack, (&check.name, &check.title), verdict, began));
        }
    }
    Ok(Done::Unchanged(results))
}

async fn exercised(kube: &dyn Kube, check: &Check, scope: &Scope<'_>) -> Result<Verdict, Failure> {
    match Exercise::new(kube, scope).run(check).await {
        Ok(()) => Ok(Verdict::Passed),
        Err(Stopped::Missed(miss)) => Ok(verdict(Err(miss))),
        Err(Stopped::Interrupted(failure)) => Err(failure),
    }
}

fn verdict(came: Result<(), Miss>) -> Verdict {
    match came {
        Ok(()) => Verdict::Passed,
        Err(Miss { because, output }) => Verdict::Failed { because, output },
    }
}

fn told(
    scope: &Scope<'_>,
    stack: &ParsedStack,
    (check, title): (&str, &str),
    verdict: Verdict,
    began: Instant,
) -> CheckResult {
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let result =
        CheckResult { stack: stack.name.clone(), check: check.into(), title: title.into(), verdict, elapsed_ms };
    scope.checked(result.clone());
    result
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        effects::{
            fake_kube::FakeKube,
            kube::{ExecOutput, ServiceAnswer},
        },
        engine::testing::{Recorded, run},
        plan::{checks::resolve, manifests::parse},
    };

    const MANIFESTS: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 80}]}\n---\n\
        apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: orders}\n";

    /// Runs the steps of one check, without looking for what the stack is made of.
    async fn ran(kube: &FakeKube, text: &str) -> Verdict {
        let manifests = parse(&[("a.yaml".into(), MANIFESTS.into())], "market").unwrap();
        let sections = BTreeMap::from([("it".to_owned(), toml::from_str(text).unwrap())]);
        let checks = resolve("market", &sections, &manifests).unwrap();
        let stack = ParsedStack {
            name: "market".into(),
            namespace: "market".into(),
            manifests: Vec::new(),
            secrets: Vec::new(),
            checks,
        };
        let (_canceller, run) = run(&Recorded::default(), None);
        let results = run.step(STEP, async |scope| run_checks(kube, &[stack], scope).await).await.unwrap();
        assert_eq!(results.len(), 1);
        results[0].verdict.clone()
    }

    fn answers(kube: &FakeKube, answers: &[(u16, &str)]) {
        let answer = |(status, body): &(u16, &str)| ServiceAnswer { status: *status, body: (*body).into() };
        kube.answers.replace(answers.iter().map(answer).collect());
    }

    fn prints(kube: &FakeKube, texts: &[&str]) {
        let output = |text: &&str| ExecOutput { ok: true, stdout: format!("{text}\n"), ..ExecOutput::default() };
        kube.printed.replace(texts.iter().map(output).collect());
    }

    fn orders(kube: &FakeKube, replicas: u64) {
        let pods = replicas;
        kube.put(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "orders", "namespace": "market"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "orders"}}},
            "status": {"readyReplicas": pods},
        }));
        for number in 0..pods {
            kube.put(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": format!("orders-{number}"), "namespace": "market", "labels": {"app": "orders"}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }));
        }
    }

    fn because(verdict: Verdict) -> String {
        let Verdict::Failed { because, .. } = verdict else { panic!("{verdict:?}") };
        because
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_looks_is_repeated_and_what_it_kept_is_known_to_the_next() {
        let kube = FakeKube::default();
        answers(&kube, &[(503, "no endpoints"), (200, "{\"id\": 7, \"name\": \"x\"}"), (404, "")]);
        let steps = "steps = [{ http = \"GET shop/newest\", contains = { name = \"x\" }, keep = { id = \"/id\" } },\
            { http = \"DELETE shop/items/{id}\", status = 404 }]";
        assert_eq!(ran(&kube, steps).await, Verdict::Passed);
        assert_eq!(*kube.asked.borrow(), ["GET shop:80/newest", "GET shop:80/newest", "DELETE shop:80/items/7"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_acts_is_done_once_and_told_with_what_it_saw() {
        let kube = FakeKube::default();
        answers(&kube, &[(502, "bad gateway")]);
        let verdict = ran(&kube, "steps = [{ http = \"POST shop/items\", json = { name = \"x\" } }]").await;
        let because = "step 1, POST shop/items: answered 502, not 2xx".to_owned();
        assert_eq!(verdict, Verdict::Failed { because, output: Some("bad gateway".into()) });
        assert_eq!(kube.asked.borrow().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_fails_puts_back_what_it_scaled_and_does_what_comes_at_its_end() {
        let kube = FakeKube::default();
        orders(&kube, 2);
        answers(&kube, &[(500, "boom"), (200, "")]);
        // Of three replicas two pods are there: the step waits in vain.
        let steps = "steps = [{ scale = \"orders\", to = 3 }]\nfinally = [{ http = \"DELETE shop/items\" }]";
        let words = because(ran(&kube, steps).await);
        assert_eq!(words, "step 1, scale orders to 3: orders: 2 of 3 replicas ready (for 3m)");
        assert_eq!(kube.object("StatefulSet market/orders")["spec"]["replicas"], 2);
        assert_eq!(*kube.asked.borrow(), ["DELETE shop:80/items"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_hold_is_looked_at_again() {
        let kube = FakeKube::default();
        orders(&kube, 1);
        prints(&kube, &["0", "1", "1", "2"]);
        let steps =
            "steps = [{ exec = [\"count\", \"{random}\"], in = \"orders\", prints = \"1\", holds-for = \"3s\" }]";
        let words = because(ran(&kube, steps).await);
        assert_eq!(
            words,
            "step 1, count in orders: it was so, and after 0s no more: pod orders-0 printed something else than `1`"
        );
        let asked = kube.asked.borrow();
        assert!(asked.len() == 4 && asked.iter().all(|command| *command == asked[0]), "{asked:?}");
        assert_eq!(asked[0].len(), "orders-0: count 123456789".len());
    }

    #[tokio::test]
    async fn where_no_container_runs_only_that_is_said() {
        let kube = FakeKube::default();
        kube.no_containers.replace(Some("a rehearsal".into()));
        let verdict = ran(&kube, "steps = [{ scale = \"orders\", to = 0 }, { http = \"GET shop/\" }]").await;
        assert_eq!(verdict, Verdict::NotRun { because: "a rehearsal".into() });
        assert_eq!(kube.asked.borrow().len(), 0);
    }
}

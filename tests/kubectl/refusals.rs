//! Manifests that the server refuses, in its words.

use crate::{
    cluster::Cluster,
    support::{contains, squeezed},
};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'nginx:1', ports: [{containerPort: 80}]}]
";

#[test]
fn what_is_wrong_is_said_as_the_real_server_says_it() {
    let c = Cluster::empty();
    broken_manifests(&c);
    unknown_kinds(&c);
    broken_applied_on_the_server(&c);
    conflicts(&c);
    changes(&c);
    missing_things(&c);
}

fn broken_manifests(c: &Cluster) {
    let refused = |from: &str, to: &str, why: &str| {
        assert!(WEB.contains(from), "{from}");
        contains(&c.try_apply(&WEB.replace(from, to), "").err(), why);
    };
    refused(
        "replicas: 1",
        "replica: 1",
        "Error from server (BadRequest): error when creating \"applied.yaml\": Deployment in version \"v1\" cannot be \
         handled as a Deployment: strict decoding error: unknown field \"spec.replica\"",
    );
    refused(
        "replicas: 1",
        "replicas: two",
        "cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field \
         DeploymentSpec.spec.replicas of type int32",
    );
    refused(
        "  selector: {matchLabels: {app: web}}\n",
        "",
        "The Deployment \"web\" is invalid: \n* spec.selector: Required value\n* spec.template.metadata.labels: Invalid \
         value: map[string]string{\"app\":\"web\"}: `selector` does not match template `labels`",
    );
    refused(
        "metadata: {labels: {app: web}}",
        "metadata: {labels: {app: other}}",
        "The Deployment \"web\" is invalid: spec.template.metadata.labels: Invalid value: \
         map[string]string{\"app\":\"other\"}: `selector` does not match template `labels`",
    );
    refused(
        "image: 'nginx:1', ",
        "",
        "The Deployment \"web\" is invalid: spec.template.spec.containers[0].image: Required value",
    );
    refused(
        "containerPort: 80",
        "containerPort: 80000",
        "containerPort: Invalid value: 80000: must be between 1 and 65535, inclusive",
    );
    refused(
        "name: web}",
        "name: Web_1}",
        "The Deployment \"Web_1\" is invalid: metadata.name: Invalid value: \"Web_1\": a lowercase RFC 1123 subdomain",
    );
    let warned = c.try_apply(&WEB.replace("replicas: 1", "replica: 1"), "--validate=warn");
    contains(&warned.stderr, "Warning: unknown field \"spec.replica\"");
    assert_eq!(warned.ok(), "deployment.apps/web created\n");
    c.kubectl("delete deploy web").ok();
}

fn unknown_kinds(c: &Cluster) {
    let unknown = |from: &str, to: &str, why: &str| {
        let said = c.try_apply(&WEB.replace(from, to), "").err();
        contains(&said, why);
        contains(&said, "ensure CRDs are installed first");
    };
    unknown(
        "kind: Deployment",
        "kind: Deploymnt",
        "error: resource mapping not found for name: \"web\" namespace: \"\" from \"applied.yaml\": no matches for kind \
         \"Deploymnt\" in version \"apps/v1\"",
    );
    unknown("apps/v1", "apps/v1beta1", "no matches for kind \"Deployment\" in version \"apps/v1beta1\"");
    unknown("apps/v1", "example.com/v1", "no matches for kind \"Deployment\" in version \"example.com/v1\"");
    contains(&c.kubectl("get widgets").err(), "error: the server doesn't have a resource type \"widgets\"");
}

fn broken_applied_on_the_server(c: &Cluster) {
    let start = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): ";
    let refused = |from: &str, to: &str, why: &str| {
        contains(&c.try_apply(&WEB.replace(from, to), "--server-side").err(), &format!("{start}{why}"));
    };
    refused("replicas: 1", "replicas: two", ".spec.replicas: expected numeric (int or float), got string");
    refused("ports:", "prots:", ".spec.template.spec.containers[name=\"web\"].prots: field not declared in schema");
    refused(
        "app: web}}\n  template",
        "app: 1}}\n  template",
        ".spec.selector.matchLabels.app: expected string, got &value.valueUnstructured{Value:1}",
    );
}

fn conflicts(c: &Cluster) {
    c.try_apply(WEB, "--server-side").ok();
    let two = WEB.replace("replicas: 1", "replicas: 2");
    let conflict = c.try_apply(&two, "--server-side --field-manager=other").err();
    contains(&conflict, "error: Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas");
    contains(&conflict, "Please review the fields above--they currently have other managers.");
    c.try_apply(&two, "--server-side --field-manager=other --force-conflicts").ok();
    c.kubectl("scale deploy web --replicas=3").ok();
    let conflict = c.try_apply(&two, "--server-side --field-manager=other").err();
    contains(&conflict, "conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas");
    let managers =
        c.kubectl("get deploy web --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}").ok();
    contains(&managers, "other");
}

fn changes(c: &Cluster) {
    let other = WEB.replace("app: web", "app: other");
    contains(
        &c.try_apply(&other, "").err(),
        "The Deployment \"web\" is invalid: spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\
         \"app\":\"other\"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable",
    );
    let pod = c.kubectl("get pods -o jsonpath={.items[0].metadata.name}").ok();
    let refused = c.kubectl(&format!(r#"patch pod {pod} -p '{{"spec":{{"nodeName":"elsewhere"}}}}'"#)).err();
    contains(&refused, "pod updates may not change fields other than");
    let diff = c.kubectl("diff -f applied.yaml");
    assert!(!diff.ok);
}

fn missing_things(c: &Cluster) {
    let not_found = |line: &str, why: &str| contains(&c.kubectl(line).err(), why);
    not_found("get pod nope", "Error from server (NotFound): pods \"nope\" not found");
    not_found("get deploy nope -n nowhere", "Error from server (NotFound): namespaces \"nowhere\" not found");
    not_found("set image deploy/nope a=b", "Error from server (NotFound): deployments.apps \"nope\" not found");
    not_found("create configmap a -n nowhere", "error: failed to create configmap: namespaces \"nowhere\" not found");
    not_found("set image deploy/web nope=b", "error: unable to find container named \"nope\"");
    assert_eq!(c.kubectl("get pods -n nowhere").stderr, "No resources found in nowhere namespace.\n");
    c.apply(
        &WEB.replace("name: web}", "name: lost}")
            .replace("    spec:\n", "    spec:\n      serviceAccountName: nobody\n")
            .replace("app: web", "app: lost"),
    );
    let events = || c.kubectl("describe rs -l app=lost").ok();
    crate::support::within_seconds(10, || {
        let why = "is forbidden: error looking up service account default/nobody: serviceaccount \"nobody\" not found";
        (events().contains("Error creating: pods \"lost-") && events().contains(why)).then_some(())
    });
    c.kubectl("create serviceaccount nobody").ok();
    c.kubectl("rollout status deploy/lost --timeout=30s").ok();
    contains(&squeezed(&c.kubectl("get deploy lost").ok()), "lost 1/1");
}

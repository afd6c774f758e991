//! Manifests applied from the client's side and from the server's.

use crate::{rehearsal::rehearsal, support::contains};

#[test]
fn client_side_apply_diff_and_delete() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    assert_eq!(r.kubectl("apply -f web.yaml").ok(), "deployment.apps/web created\n");
    assert_eq!(r.kubectl("apply -f web.yaml").ok(), "deployment.apps/web unchanged\n");
    r.deployment("web.yaml", "nginx:2");
    let diff = r.kubectl("diff -f web.yaml");
    contains(&diff.stdout, "-      - image: nginx:1");
    contains(&diff.stdout, "+      - image: nginx:2");
    assert_eq!(
        r.kubectl("apply -f web.yaml --dry-run=server").ok(),
        "deployment.apps/web configured (server dry run)\n"
    );
    assert_eq!(r.kubectl("apply -f web.yaml").ok(), "deployment.apps/web configured\n");
    r.kubectl("diff -f web.yaml").ok();
    let web = r.json("get deployment web");
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    assert_eq!(web["metadata"]["generation"], 2);
    assert_eq!(r.kubectl("delete -f web.yaml").ok(), "deployment.apps \"web\" deleted\n");
    contains(&r.kubectl("get deployment web").err(), "(NotFound): deployments.apps \"web\" not found");
}

#[test]
fn server_side_apply() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    assert_eq!(r.kubectl("apply --server-side -f web.yaml").ok(), "deployment.apps/web serverside-applied\n");
    let first = r.json("get deployment web");
    assert_eq!(r.kubectl("apply --server-side -f web.yaml").ok(), "deployment.apps/web serverside-applied\n");
    assert_eq!(r.json("get deployment web")["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    r.deployment("web.yaml", "nginx:2");
    let conflict = r.kubectl("apply --server-side --field-manager=other -f web.yaml").err();
    contains(
        &conflict,
        "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.template.spec.containers[name=\"web\"].image",
    );
    contains(&r.kubectl("diff --server-side --field-manager=kubectl -f web.yaml").stdout, "+      - image: nginx:2");
    r.kubectl("apply --server-side --field-manager=other --force-conflicts -f web.yaml").ok();
    let managers =
        r.kubectl("get deployment web --show-managed-fields -o jsonpath='{.metadata.managedFields[*].manager}'").ok();
    assert_eq!(managers, "kubectl other");
    let image = r.json("get deployment web")["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image, "nginx:2");
}

#[test]
fn from_client_side_to_server_side_apply() {
    let r = rehearsal();
    r.deployment("web.yaml", "nginx:1");
    r.kubectl("apply -f web.yaml").ok();
    r.deployment("web.yaml", "nginx:2");
    assert_eq!(r.kubectl("apply --server-side -f web.yaml").ok(), "deployment.apps/web serverside-applied\n");
    let managers =
        r.kubectl("get deployment web --show-managed-fields -o jsonpath='{.metadata.managedFields[*].manager}'").ok();
    assert!(!managers.contains("kubectl-client-side-apply"), "{managers}");
}

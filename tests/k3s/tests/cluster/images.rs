use std::{fs, io::Write, process::Stdio};

use http::Method;

use crate::machine::{Machine, contains, within};

const NAME: &str = "registry.invalid/web:1";

/// What `docker save` would write for an image with one layer.
fn archive() -> Vec<u8> {
    let manifest = format!(r#"[{{"Config": "c.json", "RepoTags": ["{NAME}"], "Layers": ["l/layer.tar"]}}]"#);
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in [("c.json", "{}"), ("l/layer.tar", "layer"), ("manifest.json", &manifest)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn pod(name: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}, "spec": {{"containers":
        [{{"name": "c", "image": "{NAME}", "imagePullPolicy": "Never"}}]}}}}"#
    )
}

fn runs(server: &Machine, name: &str) -> Option<()> {
    let pod = server.get(&format!("/api/v1/namespaces/default/pods/{name}"));
    (pod["status"]["phase"] == "Running").then_some(())
}

#[test]
fn an_archive_in_the_folder_is_an_image_of_the_node() {
    let mut server = Machine::server("server-1");
    server.start("server");
    server.awaits_ready("server-1");
    server.ask(Method::POST, "/api/v1/namespaces/default/pods", &pod("web")).unwrap();
    within(20, "the image is missed", || {
        server.get("/api/v1/namespaces/default/pods/web").to_string().contains("ErrImageNeverPull").then_some(())
    });
    fs::create_dir_all(server.path("var/lib/rancher/k3s/agent/images")).unwrap();
    fs::write(server.path("web.tar.part"), archive()).unwrap();
    fs::rename(server.path("web.tar.part"), server.path("var/lib/rancher/k3s/agent/images/web.tar")).unwrap();
    within(20, "the pod runs", || runs(&server, "web"));
    contains(&String::from_utf8(server.run(&["crictl", "images"]).stdout).unwrap(), "registry.invalid/web 1 ");
}

#[test]
fn an_image_comes_through_ctr() {
    let mut server = Machine::server("server-1");
    let refused = server.run(&["ctr", "images", "ls", "-q"]);
    assert!(!refused.status.success());
    contains(&String::from_utf8(refused.stderr).unwrap(), "ctr: cannot access socket ");
    server.start("server");
    server.awaits_ready("server-1");
    let mut import = server.command(&["ctr", "-n", "k8s.io", "images", "import", "-"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(&archive()).unwrap();
    contains(
        &String::from_utf8(import.wait_with_output().unwrap().stdout).unwrap(),
        "unpacking registry.invalid/web:1 (sha256:",
    );
    assert_eq!(String::from_utf8(server.run(&["ctr", "images", "ls", "-q"]).stdout).unwrap(), format!("{NAME}\n"));
    contains(&String::from_utf8(server.run(&["ctr", "images", "check"]).stdout).unwrap(), "complete (3/3)");
    server.ask(Method::POST, "/api/v1/namespaces/default/pods", &pod("web")).unwrap();
    within(20, "the pod runs", || runs(&server, "web"));
    within(20, "the node names it", || {
        server.node("server-1")["status"]["images"].to_string().contains(NAME).then_some(())
    });
}

use std::collections::BTreeSet;

use orchestrator::effects::ec2::{Ec2, Filter, Instance, NewGroup, Source, Tags, Which};

use crate::{
    moto::{Moto, REGION},
    project::Project,
};

async fn alive(ec2: &dyn Ec2) -> Vec<Instance> {
    let all = ec2.instances(&Which::Like(Vec::new())).await.unwrap();
    all.into_iter().filter(|instance| !instance.state.is_gone()).collect()
}

fn names(status: &serde_json::Value) -> Vec<&str> {
    status["machines"].as_array().unwrap().iter().map(|machine| machine["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn machines_are_made_once_and_nothing_is_left_of_them() {
    let moto = Moto::start();
    let ec2 = moto.client();
    let before = ec2.groups(&[]).await.unwrap();
    let project = Project::new(&moto, "shop", "ttl = \"4h\"\n").await;
    let plan = project.run(&["plan"]).stdout;
    assert!(plan.contains("\ncost: about $0.13 an hour") && plan.contains("3 t3.medium, 60 GiB of disk"), "{plan}");
    project.create_machines();
    let made = alive(&ec2).await;
    assert_eq!(made.len(), 3);
    assert_eq!(made.iter().map(|instance| &instance.token).collect::<BTreeSet<_>>().len(), 2); // a call for each role
    for instance in &made {
        let tag = |name: &str| instance.tags.get(&format!("orchestrator/{name}")).map(String::as_str);
        assert_eq!((tag("cluster"), tag("owner")), (Some("shop"), Some("user/u")));
        assert!(tag("cluster-id").is_some() && tag("expires").is_some(), "{instance:?}");
    }
    project.create_machines();
    assert_eq!(alive(&ec2).await, made);
    let status = project.status();
    assert_eq!(names(&status), ["shop-server-1", "shop-agent-1", "shop-agent-2"]);
    assert!(status["machines"].as_array().unwrap().iter().all(|machine| machine["state"] == "running"), "{status}");
    assert!(status["cost"]["hourly"].as_f64().unwrap() > 0.12 && status["cost"]["age"] == 0, "{status}");
    assert_eq!(status["caution"].as_str().unwrap().split(" at ").next(), Some("the instances end by themselves"));

    let groups = ec2.groups(&[Filter::tag("orchestrator/cluster", "shop")]).await.unwrap();
    assert_eq!(groups.len(), 1);
    let outside = groups[0].rules.iter().filter(|rule| rule.from != Source::Group(groups[0].id.clone()));
    let outside: Vec<_> = outside.map(|rule| (rule.port, rule.from.clone())).collect();
    let caller = Source::Addresses("203.0.113.7/32".into());
    assert_eq!(outside, [(Some(22), caller.clone()), (Some(6443), caller)]);

    let ran = project.run(&["destroy", "--yes"]);
    assert_eq!(ran.stdout.trim(), "cluster destroyed");
    assert_eq!(alive(&ec2).await, []);
    assert_eq!(ec2.groups(&[]).await.unwrap(), before);
    assert!(ec2.volumes(&[]).await.unwrap().is_empty() && ec2.interfaces(&[]).await.unwrap().is_empty());
    assert!(!project.state().exists());
    assert_eq!(project.run(&["destroy", "--yes"]).code, Some(0));
}

#[tokio::test]
async fn a_cluster_whose_state_was_lost_is_found_and_nothing_else_is_touched() {
    let moto = Moto::start();
    let ec2 = moto.client();
    let (lost, other) = (Project::new(&moto, "shop", "").await, Project::new(&moto, "lab", "").await);
    lost.create_machines();
    other.create_machines();
    let subnet = ec2.subnets(&[Filter::new("default-for-az", ["true"])]).await.unwrap().swap_remove(0);
    let foreign = NewGroup { name: "theirs".into(), description: "d".into(), vpc: subnet.vpc, tags: Tags::new() };
    ec2.create_group(&foreign).await.unwrap();
    let made = alive(&ec2).await;
    assert_eq!(made.len(), 6);

    lost.lose_state();
    lost.create_machines();
    assert_eq!(alive(&ec2).await, made, "they are adopted");
    let id =
        made.iter().find(|i| i.tags["orchestrator/cluster"] == "shop").unwrap().tags["orchestrator/cluster-id"].clone();
    assert!(lost.read("ec2/cluster.json").contains(&id));

    lost.lose_state();
    assert_eq!(lost.run(&["destroy", "--yes"]).code, Some(0));
    let left = alive(&ec2).await;
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|instance| instance.tags["orchestrator/cluster"] == "lab"));
    let groups = ec2.groups(&[]).await.unwrap();
    let named = |name: &str| groups.iter().any(|group| group.name.starts_with(name));
    assert!(named("theirs") && named("orchestrator-lab") && !named("orchestrator-shop"));
}

#[tokio::test]
async fn spot_agents_are_not_stopped() {
    let moto = Moto::start();
    let project = Project::new(&moto, "shop", "spot = true\n").await;
    project.create_machines();
    let spot: Vec<_> = alive(&moto.client()).await.iter().map(|instance| instance.spot).collect();
    assert_eq!(spot.iter().filter(|spot| **spot).count(), 2);
    let ran = project.run(&["stop"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("EC2-010") && ran.stderr.contains("`shop-agent-1`, `shop-agent-2`"), "{ran:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_made() {
    let moto = Moto::start();
    let project = Project::new(&moto, "shop", "instance-type = \"c7g.large\"\n").await;
    let ran = project.run(&["create"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("EC2-009") && ran.stderr.contains("x86_64"), "{ran:?}");
    assert_eq!(alive(&moto.client()).await, []);
}

#[tokio::test]
async fn doctor_says_what_the_account_lacks() {
    let moto = Moto::start();
    let ran = Project::new(&moto, "shop", "").await.run(&["doctor"]);
    assert!(ran.stdout.contains("user/u, region eu-central-1"), "{ran:?}");
    assert!(ran.stdout.contains("instances of type t3.medium may be made"), "{ran:?}");

    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ssm:*"],"Resource":"*"}]}"#;
    let moto = Moto::with_policy(policy);
    let ran = Project::new(&moto, "shop", "").await.run(&["doctor"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("`ec2:RunInstances`"), "{ran:?}");
}

#[tokio::test]
async fn gc_removes_what_expired_and_nothing_else() {
    let moto = Moto::start();
    let ec2 = moto.client();
    let (short, long) = (Project::new(&moto, "shop", "ttl = \"1s\"\n").await, Project::new(&moto, "lab", "").await);
    short.create_machines();
    long.create_machines();
    let listed = short.run(&["gc", "--region", REGION, "-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let clusters = listed["clusters"].as_array().unwrap();
    assert_eq!(clusters.iter().map(|one| one["cluster"].as_str().unwrap()).collect::<Vec<_>>(), ["shop"]);
    assert_eq!(clusters[0]["parts"].as_array().unwrap().len(), 1 + 3 + 3, "a group, three disks and three instances");
    assert_eq!(alive(&ec2).await.len(), 6, "they are only listed");

    let ran = short.run(&["gc", "--region", REGION, "--yes"]);
    assert!(ran.code == Some(0) && ran.stdout.contains("removed shop"), "{ran:?}");
    assert!(alive(&ec2).await.iter().all(|instance| instance.tags["orchestrator/cluster"] == "lab"));
    assert_eq!(short.run(&["gc", "--region", REGION]).stdout.trim(), "nothing is left behind");
}

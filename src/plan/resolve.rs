//! From what is written to what is meant: every default filled in, every path absolute.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::cluster::{Cluster, Faults, Images, K3s, Pull, Secret, SecretValue, Stack};
use crate::{
    config::{Config, ImagesSection, LoginSection, MachineName, Pace, SecretEntry, StackSection, TagBy},
    model::{
        MachineSpec,
        image::Tag,
        registry::{LoginSource, UserName, host},
    },
};

/// Returns the cluster that a checked configuration describes; relative paths begin at `base`.
pub fn resolve(config: &Config, base: &Path) -> Cluster {
    Cluster {
        name: config.cluster.name.clone(),
        provider: config.cluster.provider,
        machines: config.machine_names().into_iter().map(|machine| spec(config, machine)).collect(),
        k3s: k3s(config, base),
        images: images(config, base),
        stacks: config.stacks.iter().map(|(name, stack)| resolve_stack(name, stack, base)).collect(),
        faults: faults(config),
        real_pace: config.rehearsal.pace == Pace::Real,
    }
}

fn spec(config: &Config, machine: MachineName) -> MachineSpec {
    let size = &config.machine;
    MachineSpec {
        name: machine.name,
        role: machine.role,
        cpus: size.cpus(machine.role),
        memory: size.memory(machine.role).0,
        disk: size.disk(machine.role).0,
    }
}

fn k3s(config: &Config, base: &Path) -> K3s {
    K3s {
        version: config.k3s.version.clone(),
        artifacts: config.k3s.artifacts.as_ref().map(|folder| absolute(base, folder)),
        config: config.k3s.config.clone(),
        registries: Some(registries(config)).filter(|registries| !registries.is_empty()),
    }
}

/// Nodes pull from a registry with plain HTTP when they are told to (docs.k3s.io/installation/private-registry); what the
/// user says of it counts.
fn registries(config: &Config) -> Map<String, Value> {
    let mut registries = config.k3s.registries.clone();
    let images = &config.images;
    if let Some(registry) = images.registry.as_deref().filter(|_| images.plain_http) {
        let host = host(registry);
        let mirrors = registries.entry("mirrors").or_insert_with(|| json!({}));
        if let Some(mirrors) = mirrors.as_object_mut() {
            mirrors.entry(host).or_insert_with(|| json!({"endpoint": [format!("http://{host}")]}));
        }
    }
    registries
}

fn images(config: &Config, base: &Path) -> Images {
    let build = config.images.build.iter();
    Images {
        registry: config.images.registry.clone(),
        plain_http: config.images.plain_http,
        login: config.images.login.as_ref().map(login),
        pull: pull(&config.images),
        tag: match (&config.images.tag, config.images.tag_by) {
            (Some(tag), _) => Tag::Fixed(tag.clone()),
            (None, Some(TagBy::Commit)) => Tag::Commit,
            (None, Some(TagBy::Content) | None) => Tag::Content,
        },
        latest: config.images.latest,
        builds: build.map(|(name, context)| (name.clone(), absolute(base, context))).collect(),
    }
}

fn pull(images: &ImagesSection) -> Pull {
    match images.pull_login.as_ref().or(images.login.as_ref()) {
        _ if !images.pull_secret || images.registry.is_none() => Pull::WithoutSecret,
        Some(section) => Pull::With(login(section)),
        None => Pull::WithAny,
    }
}

fn login(section: &LoginSection) -> LoginSource {
    let written = section.user.clone().map(UserName::Written);
    let user = written.unwrap_or_else(|| UserName::Environment(section.user_env.clone().unwrap_or_default()));
    LoginSource { user, password: section.password_env.clone() }
}

fn resolve_stack(name: &str, stack: &StackSection, base: &Path) -> Stack {
    let secret = |(name, keys): (&String, &crate::config::SecretKeys)| Secret {
        name: name.clone(),
        entries: keys.0.iter().map(|(key, entry)| (key.clone(), secret_value(entry))).collect(),
    };
    Stack {
        name: name.into(),
        namespace: stack.namespace.clone().unwrap_or_else(|| name.into()),
        manifests: absolute(base, &stack.manifests),
        secrets: stack.secrets.iter().map(secret).collect(),
        checks: stack.checks.clone(),
    }
}

fn secret_value(entry: &SecretEntry) -> SecretValue {
    match entry {
        SecretEntry::Random(length) => SecretValue::Random(*length as usize),
        SecretEntry::Value(text) => SecretValue::Fixed(text.clone()),
        SecretEntry::Env(name) => SecretValue::Environment(name.clone()),
    }
}

/// Faults name machines in full from here on.
fn faults(config: &Config) -> Faults {
    let faults = &config.rehearsal.faults;
    let full = |name: &String| config.machine_called(name).map_or_else(|| name.clone(), |machine| machine.name);
    Faults {
        image_pull: faults.image_pull.clone(),
        crash_loop: faults.crash_loop.clone(),
        not_ready: faults.not_ready.clone(),
        unschedulable: faults.unschedulable.clone(),
        never_join: faults.never_join.iter().map(full).collect(),
        unit_fails: faults.unit_fails.iter().map(full).collect(),
        slow_boot: faults.slow_boot.iter().map(|(name, time)| (full(name), time.0)).collect(),
        api_latency: faults.api_latency.map(|time| time.0).unwrap_or_default(),
    }
}

/// Joins and removes `.`, so that what is shown is what the user would write.
fn absolute(base: &Path, path: &Path) -> std::path::PathBuf {
    base.join(path).components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};

    fn resolved(lines: &str) -> Cluster {
        let text =
            format!("version = 1\n[cluster]\nname = \"shop\"\n[images]\nregistry = \"10.0.0.2:5000/school\"\n{lines}");
        let config = parse("orchestrator.toml", &text, &Overrides::default()).unwrap();
        resolve(&config, Path::new("/"))
    }

    fn registries_of(lines: &str) -> Value {
        resolved(lines).k3s.registries.map_or(Value::Null, Value::Object)
    }

    #[test]
    fn nodes_pull_with_the_login_that_pushes_unless_they_have_their_own() {
        let named = |password: &str| LoginSource { user: UserName::Written("you".into()), password: password.into() };
        let pull = |lines: &str| resolved(lines).images.pull;
        assert_eq!(pull(""), Pull::WithAny);
        assert_eq!(pull("pull-secret = false"), Pull::WithoutSecret);
        let login = "[images.login]\nuser = \"you\"\npassword-env = \"PUSH\"\n";
        assert_eq!(pull(login), Pull::With(named("PUSH")));
        let both = format!("{login}[images.pull-login]\nuser = \"you\"\npassword-env = \"PULL\"");
        assert_eq!(pull(&both), Pull::With(named("PULL")));
        assert_eq!(resolved(&both).images.login, Some(named("PUSH")));
    }

    #[test]
    fn nodes_are_told_of_a_registry_with_plain_http() {
        assert_eq!(registries_of(""), Value::Null);
        let mirror = json!({"mirrors": {"10.0.0.2:5000": {"endpoint": ["http://10.0.0.2:5000"]}}});
        assert_eq!(registries_of("plain-http = true"), mirror);
        let own = "plain-http = true\n[k3s.registries.mirrors.\"10.0.0.2:5000\"]\nendpoint = [\"http://cache:5000\"]";
        assert_eq!(registries_of(own)["mirrors"]["10.0.0.2:5000"]["endpoint"], json!(["http://cache:5000"]));
    }
}

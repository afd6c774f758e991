//! From what is written to what is meant: every default filled in, every path absolute.

use std::path::Path;

use super::cluster::{Cluster, Faults, Images, K3s, Secret, SecretValue, Stack};
use crate::{
    config::{Config, MachineName, Pace, SecretEntry, StackSection},
    model::MachineSpec,
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
        registries: (!config.k3s.registries.is_empty()).then(|| config.k3s.registries.clone()),
    }
}

fn images(config: &Config, base: &Path) -> Images {
    let build = config.images.build.iter();
    Images {
        registry: config.images.registry.clone(),
        tag: config.images.tag.clone(),
        builds: build.map(|(name, context)| (name.clone(), absolute(base, context))).collect(),
    }
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

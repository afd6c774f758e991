//! After a rehearsal: what makes it real on this computer.

use crate::model::{PackageManager, ProviderKind};

/// What this computer has that a real cluster could be made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    pub vagrant: bool,
    pub docker: bool,
    pub aws_credentials: bool,
    pub package_manager: Option<PackageManager>,
}

/// Says how to make a rehearsal real on a computer with these abilities; `None` when it is no rehearsal.
pub fn next_step(provider: ProviderKind, abilities: Abilities) -> Option<String> {
    if provider != ProviderKind::Rehearsal {
        return None;
    }
    Some(if let Some(kind) = best(abilities) {
        to_make_it_real(kind, abilities)
    } else {
        let install = PackageManager::installs_vagrant(abilities.package_manager);
        format!(
            "to make it real on this computer, install Vagrant first ({install}), then `./orchestrator destroy` and \
             `./orchestrator create --provider vagrant`"
        )
    })
}

fn best(abilities: Abilities) -> Option<ProviderKind> {
    if abilities.vagrant {
        Some(ProviderKind::Vagrant)
    } else if abilities.aws_credentials {
        Some(ProviderKind::Ec2)
    } else {
        None
    }
}

fn to_make_it_real(kind: ProviderKind, abilities: Abilities) -> String {
    let docker = if abilities.docker { "" } else { " (building the images also needs Docker or Podman)" };
    format!(
        "to make it real on this computer: `./orchestrator destroy`, then `./orchestrator create --provider {}`{docker}",
        kind.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(abilities: Abilities, words: &str) {
        let text = next_step(ProviderKind::Rehearsal, abilities).expect("a rehearsal");
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn the_next_step_fits_what_the_computer_has() {
        case(Abilities { vagrant: true, docker: true, ..Default::default() }, "create --provider vagrant");
        case(Abilities { vagrant: true, ..Default::default() }, "Docker or Podman");
        case(Abilities { aws_credentials: true, ..Default::default() }, "create --provider ec2");
        case(
            Abilities { package_manager: Some(PackageManager::Apt), ..Default::default() },
            "sudo apt install vagrant",
        );
        assert_eq!(next_step(ProviderKind::Vagrant, Abilities::default()), None);
    }
}

//! What Vagrant's errors mean. It ends with 1 for all of them, so their words decide.

use super::signs::{
    About::{self, All, Machine},
    SIGNS,
    Way::{self, Command, InstallListed, InstallPlugin, InstallVirtualbox, StartLibvirt},
};
use crate::{
    failure::{Entry, Failure, VAGRANT_FAILED},
    model::PackageManager,
};

/// What words mean that have no sign.
const UNKNOWN: (&Entry, About, Way) = (&VAGRANT_FAILED, Machine("could not be had"), Command("./orchestrator doctor"));

/// Returns what an error of Vagrant means for a machine. `words` are Vagrant's own.
pub fn failure(machine: &str, words: &str, manager: Option<PackageManager>) -> Failure {
    let found = SIGNS.iter().find(|sign| sign.words.iter().any(|sign| words.contains(sign)));
    let (entry, about, way) = found.map_or(UNKNOWN, |sign| (sign.entry, sign.about, sign.way));
    let what = match about {
        All(what) => what.to_owned(),
        Machine(what) => format!("virtual machine `{machine}` {what}"),
    };
    let hint = match way {
        Command(command) => command.to_owned(),
        InstallPlugin => PackageManager::installs_libvirt_plugin(manager).to_owned(),
        InstallListed => format!("vagrant plugin install {}", listed(words)),
        InstallVirtualbox => PackageManager::installs_virtualbox(manager).to_owned(),
        StartLibvirt => PackageManager::starts_libvirt(manager).to_owned(),
    };
    Failure::new(entry, what).output(without_trace(words)).hint(hint)
}

/// Leaves out where in Vagrant's own sources an error of Ruby happened.
fn without_trace(words: &str) -> String {
    let is_trace = |line: &str| line.starts_with("\tfrom ") || (line.starts_with('/') && line.contains(".rb:"));
    let lines: Vec<_> = words.lines().filter(|line| !is_trace(line)).collect();
    lines.join("\n").trim().to_owned()
}

/// Returns the names of the plugins that Vagrant lacks.
fn listed(words: &str) -> &str {
    let list = words.split_once("which are not installed.").map_or("", |(_, list)| list.trim_start());
    list.lines().next().unwrap_or_default().trim()
}

/// Each begins an error where several machines are worked on at the same time: one that Vagrant knows, and one of what it
/// uses.
const ACTIONS: [&str; 2] = [
    "An error occurred while executing the action on the '",
    "An unexpected error occurred when executing the action on the\n'",
];

/// Returns the part of Vagrant's words that is about a machine: all of them, when they are about none in particular;
/// `None` when they are about others.
pub fn part_of<'w>(machine: &str, words: &'w str) -> Option<&'w str> {
    let mut begins: Vec<_> =
        ACTIONS.iter().flat_map(|begin| words.match_indices(begin)).map(|(at, begin)| (at, at + begin.len())).collect();
    if begins.is_empty() {
        return Some(words);
    }
    begins.sort_unstable();
    let ends = begins.iter().skip(1).map(|(at, _)| *at).chain([words.len()]);
    let mut parts = begins.iter().zip(ends).map(|((_, name), end)| &words[*name..end]);
    let part = parts.find_map(|part| part.strip_prefix(machine)?.strip_prefix('\''))?;
    Some(part.split_once(":\n").map_or(part, |(_, message)| message).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Vagrant 2.3 and its plugin for libvirt 0.11 said, each under a title.
    const ERRORS: &str = include_str!("errors.txt");

    #[test]
    fn what_vagrant_says_is_told_apart() {
        let told = |(title, words): (&str, &str)| {
            let failure = failure("a-1", words, Some(PackageManager::Apt));
            assert_ne!(failure.what, "virtual machine `a-1` could not be had", "{title}");
            assert!(words.starts_with(failure.output.as_deref().unwrap()));
            format!("{title}:\n  {} {}\n  {}\n", failure.id, failure.what, failure.hint.unwrap())
        };
        let errors = ERRORS.split("### ").filter_map(|error| error.split_once('\n'));
        insta::assert_snapshot!(errors.map(told).collect::<String>());
    }

    #[test]
    fn what_has_no_sign_is_shown_as_it_is() {
        let failure = failure("a-1", "Something new.\n", None);
        assert_eq!(failure.what, "virtual machine `a-1` could not be had");
        assert_eq!(failure.output.as_deref(), Some("Something new."));
    }

    #[test]
    fn errors_of_several_machines_are_taken_apart() {
        let words = "An error occurred while executing multiple actions in parallel.\nAny errors that occurred are shown \
                     below.\n\nAn error occurred while executing the action on the 'a-1'\nmachine. Please handle this error \
                     then try again:\n\nNo usable storage pool found!\n\nAn error occurred while executing the action on \
                     the 'a-12'\nmachine. Please handle this error then try again:\n\nNo IP address found.";
        assert_eq!(part_of("a-1", words), Some("No usable storage pool found!"));
        assert_eq!(part_of("a-12", words), Some("No IP address found."));
        assert_eq!(part_of("a-2", words), None);
        let words = "An unexpected error occurred when executing the action on the\n'a-1' machine. Please report this as a \
                     bug:\n\nCall to virDomainCreateWithFlags failed: x\n\n/usr/lib/a.rb:7:in `create'\n\nAn error occurred \
                     while executing the action on the 'a-2'\nmachine. Please handle this error then try again:\n\ny";
        let part = part_of("a-1", words).unwrap();
        let failure = failure("a-1", part, None);
        assert_eq!(failure.output.as_deref(), Some("Call to virDomainCreateWithFlags failed: x"));
        assert_eq!(part_of("a-2", words), Some("y"));
        assert_eq!(part_of("a-2", "No IP address found."), Some("No IP address found."));
    }
}

//! What the tests of this folder share.

use super::Surroundings;

/// A user `ann` without configuration, agent or passwords.
pub fn surroundings() -> Surroundings {
    Surroundings {
        home: "/home/ann".into(),
        name: "ann".into(),
        config: vec![],
        agent: None,
        sudo_password: None,
        known_hosts: "known_hosts".into(),
        are_made: false,
    }
}

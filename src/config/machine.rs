//! `[machine]`: how large machines are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::Size;
use crate::model::Role;

/// How large machines are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MachineSection {
    /// Processor cores.
    #[schemars(range(min = 1, max = 512))]
    pub cpus: u32,
    /// Memory, with its unit.
    pub memory: Size,
    /// Size of the disk, with its unit.
    #[schemars(extend("examples" = ["20GiB"]))]
    pub disk: Size,
    /// What is different for servers.
    pub server: MachineSize,
    /// What is different for agents.
    pub agent: MachineSize,
}

/// What is different for the machines of one role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MachineSize {
    /// Processor cores.
    #[schemars(range(min = 1, max = 512))]
    pub cpus: Option<u32>,
    /// Memory, with its unit.
    pub memory: Option<Size>,
    /// Size of the disk, with its unit.
    #[schemars(extend("examples" = ["20GiB"]))]
    pub disk: Option<Size>,
}

impl Default for MachineSection {
    fn default() -> Self {
        Self {
            cpus: 2,
            memory: Size(2 << 30),
            disk: Size(20 << 30),
            server: MachineSize::default(),
            agent: MachineSize::default(),
        }
    }
}

impl MachineSection {
    /// Returns what is written for the machines of `role` alone.
    pub fn of(&self, role: Role) -> &MachineSize {
        match role {
            Role::Server => &self.server,
            Role::Agent => &self.agent,
        }
    }

    /// Returns the processor cores of a machine of `role`.
    pub fn cpus(&self, role: Role) -> u32 {
        self.of(role).cpus.unwrap_or(self.cpus)
    }

    /// Returns the memory of a machine of `role`.
    pub fn memory(&self, role: Role) -> Size {
        self.of(role).memory.unwrap_or(self.memory)
    }

    /// Returns the disk size of a machine of `role`.
    pub fn disk(&self, role: Role) -> Size {
        self.of(role).disk.unwrap_or(self.disk)
    }
}

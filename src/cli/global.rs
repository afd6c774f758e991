use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgAction, Args, ValueEnum};

use crate::report::Verbosity;

const CONFIG: &str = "orchestrator.toml";

/// The options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The configuration; looked for in parent folders too
    #[arg(
        short,
        long,
        global = true,
        env = "ORCHESTRATOR_CONFIG",
        default_value = CONFIG,
        value_name = "FILE"
    )]
    pub config: PathBuf,

    /// Another name for the cluster: several clusters from one configuration
    #[arg(long, global = true, env = "ORCHESTRATOR_CLUSTER", value_name = "NAME")]
    pub cluster: Option<String>,

    /// What is printed on stdout
    #[arg(short, long, global = true, env = "ORCHESTRATOR_OUTPUT", default_value = "human", value_enum)]
    pub output: Output,

    /// How progress is shown on stderr
    #[arg(long, global = true, env = "ORCHESTRATOR_PROGRESS", default_value = "auto", value_enum)]
    pub progress: Progress,

    /// Show only how it ended, if it ended badly
    #[arg(short, long, global = true, env = "ORCHESTRATOR_QUIET", conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show every machine and every wait
    #[arg(short, long, global = true, env = "ORCHESTRATOR_VERBOSE", action = ArgAction::SetTrue)]
    pub verbose: bool,

    /// End the command after this time, such as 90s or 10m
    #[arg(long, global = true, env = "ORCHESTRATOR_TIMEOUT", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
}

/// What stdout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Lines and tables
    Human,
    /// One document, or one event per line
    Json,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Spinners on a terminal, lines elsewhere
    Auto,
    /// Spinners
    Tty,
    /// Lines
    Plain,
}

impl Global {
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }

    /// Returns how the user calls the program for the same cluster: by the launcher's or the binary's name.
    pub fn program(&self) -> String {
        let mut words = vec![std::env::var("ORCHESTRATOR_PROGRAM").unwrap_or_else(|_| "orchestrator".into())];
        if self.config != Path::new(CONFIG) {
            words.push(format!("--config {}", self.config.display()));
        }
        words.extend(self.cluster.iter().map(|cluster| format!("--cluster {cluster}")));
        words.join(" ")
    }

    pub fn json(&self) -> bool {
        self.output == Output::Json
    }
}

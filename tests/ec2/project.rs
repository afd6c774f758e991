use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use orchestrator::effects::ec2::Ec2;
use serde_json::Value;

use crate::moto::{IMAGE, Moto, REGION};

/// A folder with the configuration of a cluster in an account.
pub struct Project<'m> {
    moto: &'m Moto,
    name: &'static str,
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl<'m> Project<'m> {
    /// One server and two agents, unless `more` lines of `[ec2]` change that.
    pub async fn new(moto: &'m Moto, name: &'static str, more: &str) -> Self {
        let image = moto.client().parameter(IMAGE).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "version = 1\n[cluster]\nname = \"{name}\"\nprovider = \"ec2\"\nservers = 1\nagents = 2\n\
             [ec2]\nregion = \"{REGION}\"\nami = \"{image}\"\naddress = \"private\"\nallow = [\"203.0.113.7/32\"]\n{more}"
        );
        fs::write(folder.path().join("orchestrator.toml"), text).unwrap();
        Self { moto, name, folder }
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("AWS_ACCESS_KEY_ID", &self.moto.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.moto.secret)
            .env("AWS_ENDPOINT_URL", &self.moto.url)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        println!("$ orchestrator {}\n{}{}", words.join(" "), ran.stdout, ran.stderr);
        ran
    }

    /// Makes the cluster as far as it can be made where nothing answers SSH.
    pub fn create_machines(&self) {
        let ran = self.run(&["create", "--timeout", "6s"]);
        assert_eq!(ran.code, Some(9), "{ran:?}");
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "-o", "json"]).stdout).unwrap()
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join(".orchestrator").join(self.name)
    }

    pub fn lose_state(&self) {
        fs::remove_dir_all(self.folder.path().join(".orchestrator")).unwrap();
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.state().join(name)).unwrap()
    }
}

//! What a test orders to go wrong, in `/etc/k3s-stand-in/faults.yaml`.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    log::{self, Fatal},
    paths::Paths,
};

/// The faults that are ordered for this machine.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Faults {
    /// Ends at once with this message.
    exit: Option<String>,
    /// The node stays NotReady.
    pub never_ready: bool,
    /// Everything begins this much later, as `5s`.
    slow_start: Option<String>,
    /// Ends after this time, as `3s`.
    crash_after: Option<String>,
}

impl Faults {
    /// Reads the faults of this machine; most have none.
    ///
    /// # Errors
    /// When the file is not understood.
    pub fn read(paths: &Paths) -> Result<Self, Fatal> {
        match std::fs::read_to_string(paths.host("etc/k3s-stand-in/faults.yaml")) {
            Ok(text) => serde_saphyr::from_str(&text).map_err(|error| Fatal(format!("faults.yaml: {error}"))),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Begins as ordered: late, or not at all.
    ///
    /// # Errors
    /// When K3s shall end.
    pub async fn begin(&self) -> Result<(), Fatal> {
        if let Some(late) = &self.slow_start {
            tokio::time::sleep(duration(late)?).await;
        }
        self.exit.clone().map_or(Ok(()), |message| Err(Fatal(message)))
    }

    /// Completes when K3s shall crash, if ever.
    pub async fn crash(&self) -> Fatal {
        match self.crash_after.as_deref().map(duration) {
            Some(Ok(after)) => {
                tokio::time::sleep(after).await;
                Fatal("panic: runtime error: invalid memory address or nil pointer dereference".into())
            }
            Some(Err(why)) => why,
            None => std::future::pending().await,
        }
    }

    /// Returns why the node is not ready although its time has come.
    pub fn not_ready(&self) -> Option<String> {
        self.never_ready.then(|| {
            log::error("cni plugin not initialized");
            NO_NETWORK.to_owned()
        })
    }
}

/// What a kubelet says while the network plugin is not there.
pub const NO_NETWORK: &str = "container runtime network not ready: NetworkReady=false \
                              reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";

/// Reads `1.5s`, `500ms` or `2m`.
///
/// # Errors
/// When it is none of these.
pub fn duration(text: &str) -> Result<Duration, Fatal> {
    let wrong = || Fatal(format!("time: invalid duration {text:?}"));
    let digits = text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())
}

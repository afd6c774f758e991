use crate::{
    effects::{kubeconfig, state_directory::StateDirectory},
    engine::{Run, Step},
    failure::{API_NOT_READY, Failure},
    model::{Done, Machine},
    plan::k3s::KUBECONFIG,
    providers::Provider,
};

pub const STEP: Step = Step { id: "write-kubeconfig", title: "Write kubeconfig" };

/// Writes the cluster's kubeconfig into its state directory, with the cluster's name and an address that this computer
/// reaches. Returns its text.
///
/// # Errors
/// When the server has none or it cannot be written.
pub async fn write_kubeconfig(
    run: &Run,
    provider: &dyn Provider,
    server: &Machine,
    directory: &StateDirectory,
    cluster: &str,
) -> Result<String, Failure> {
    run.step(STEP, async |_| {
        let text = provider.host(server).read(KUBECONFIG).await?.ok_or_else(|| {
            Failure::new(&API_NOT_READY, format!("server `{}` has no {KUBECONFIG}", server.name))
                .hint(format!("./orchestrator logs {}", server.name))
        })?;
        let text = kubeconfig::rename(&text, cluster, &provider.api_url(server).await?, provider.api_name(cluster))?;
        let changed = directory.read_kubeconfig().as_deref() != Some(&text);
        if changed {
            directory.write("kubeconfig", &text)?;
        }
        Ok(Done::when(changed, text))
    })
    .await
}

use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::{Content, Machine, RemoteFile, Role},
    plan::{cluster::Cluster, k3s::BINARY},
    providers::Provider,
};

pub const STEP: Step = Step { id: "stage-k3s", title: "Stage K3s" };
const SERVER_UNIT: &str = include_str!("../../provision/k3s.service");
const AGENT_UNIT: &str = include_str!("../../provision/k3s-agent.service");

/// Has K3s's binary and unit on every machine, all at the same time; starts nothing.
///
/// # Errors
/// The machines that could not be given them.
pub async fn stage_k3s(
    run: &Run,
    provider: &dyn Provider,
    cluster: &Cluster,
    machines: &[Machine],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let staged = scope
            .on_each(machines, async |machine, _| {
                let files = [binary(&cluster.k3s.version), unit(machine.role)];
                provider.host(machine).put(&files).await
            })
            .await?;
        Ok(staged.map(drop))
    })
    .await
}

fn binary(version: &str) -> RemoteFile {
    let content = Content::K3sRelease { version: version.into(), file: "k3s".into() };
    RemoteFile { path: BINARY.into(), mode: 0o755, content }
}

fn unit(role: Role) -> RemoteFile {
    let text = match role {
        Role::Server => SERVER_UNIT,
        Role::Agent => AGENT_UNIT,
    };
    let path = format!("/etc/systemd/system/{}.service", role.unit());
    RemoteFile { path, mode: 0o644, content: Content::Text(text.into()) }
}

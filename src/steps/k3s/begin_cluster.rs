use crate::{
    effects::{certificate_authority, host::Host},
    engine::{Run, Step},
    failure::{BUG, Failure},
    model::{Content, Done, Reached, RemoteFile, Role},
    plan::{
        self,
        k3s::{CA, CA_KEY, FULL_TOKEN, full_token, owner, secret_of},
    },
    providers::Provider,
};

pub const STEP: Step = Step { id: "begin-cluster", title: "Find the cluster, or begin it" };

/// The cluster that nodes join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Name of the server that others join through.
    pub lead: String,
    /// The token that proves the CA.
    pub token: String,
}

impl Cluster {
    /// Returns the part of the token that is secret.
    pub fn secret(&self) -> &str {
        secret_of(&self.token)
    }
}

/// Returns the server that others join through and the token they join with, of the `wanted` cluster with this `id`. Where
/// no server holds a datastore, the first one is given a CA: so its hash is known before K3s runs, and agents get their
/// files beside the server.
///
/// # Errors
/// When a server does not answer.
pub async fn begin_cluster(
    run: &Run,
    provider: &dyn Provider,
    wanted: &plan::cluster::Cluster,
    id: &str,
    machines: &[Reached],
    secret: &str,
) -> Result<Cluster, Failure> {
    run.step(STEP, async |_| {
        let servers: Vec<_> = machines.iter().filter(|reached| reached.machine.role == Role::Server).collect();
        let lead = lead(&servers).ok_or_else(|| Failure::new(&BUG, "a cluster without servers passed the checks"))?;
        let host = provider.host(&lead.machine);
        let cluster = |token: String| Cluster { lead: lead.machine.name.clone(), token };
        if lead.facts.k3s.server_data
            && let Some(token) = host.read(FULL_TOKEN).await?
        {
            return Ok(Done::Unchanged(cluster(token.trim().into())));
        }
        let owner = owner(wanted, id, &lead.machine);
        let ca = ca(host.as_ref(), owner, lead.facts.k3s.server_data).await?;
        Ok(ca.map(|ca| cluster(full_token(&ca, secret))))
    })
    .await
}

/// Returns the server that runs with a datastore, else one that has a datastore, else the first.
fn lead<'r>(servers: &[&'r Reached]) -> Option<&'r Reached> {
    let has_data = |reached: &&&Reached| reached.facts.k3s.server_data;
    let found = servers.iter().find(|reached| has_data(reached) && reached.runs());
    found.or_else(|| servers.iter().find(has_data)).or_else(|| servers.first()).copied()
}

/// Returns the CA that K3s will use or uses, as PEM. The key is written first: a certificate without one, which a run
/// left that was cut off, would be replaced by K3s.
async fn ca(host: &dyn Host, owner: RemoteFile, in_use: bool) -> Result<Done<String>, Failure> {
    let there = host.read(CA).await?;
    let usable = in_use || host.read(CA_KEY).await?.is_some();
    if let Some(ca) = there.filter(|_| usable) {
        return Ok(Done::Unchanged(ca));
    }
    let made = certificate_authority::generate("k3s-server-ca");
    let file =
        |path: &str, mode, text: &str| RemoteFile { path: path.into(), mode, content: Content::Text(text.into()) };
    host.put(&[owner, file(CA_KEY, 0o600, &made.key), file(CA, 0o644, &made.certificate)], &|_, _| {}).await?;
    Ok(Done::Changed(made.certificate))
}

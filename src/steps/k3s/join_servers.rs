use super::{
    install_k3s::{Parts, Staged, start},
    unit,
};
use crate::{
    engine::{Run, Step},
    failure::Failure,
    model::{Done, Role},
};

pub const STEP: Step = Step { id: "join-servers", title: "Join servers" };

/// Returns when every server that is new has joined the first, one after the other: embedded etcd takes one new member at
/// a time.
///
/// # Errors
/// The server whose K3s did not start, with the cause.
pub async fn join_servers(run: &Run, parts: &Parts<'_>, staged: &[Staged]) -> Result<(), Failure> {
    let waiting: Vec<_> = staged.iter().filter(|staged| staged.waits_as(Role::Server)).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    run.step(STEP, async |scope| {
        for staged in waiting {
            let machine = &staged.reached.machine;
            scope
                .on(&machine.name, async |scope| {
                    let host = parts.provider.host(machine);
                    start(host.as_ref(), machine, &staged.fingerprint).await?;
                    unit::up(parts, machine, scope).await.map(Done::Changed)
                })
                .await?;
        }
        Ok(Done::Changed(()))
    })
    .await
}

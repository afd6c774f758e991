use crate::{
    engine::{Run, Scope, Step},
    failure::Failure,
    model::{Done, Machine},
    providers::Provider,
};

pub const STEP: Step = Step { id: "deliver-images", title: "Deliver images" };

/// Has these images on every machine, all at the same time. Warns where there is no way yet to put them there: the nodes
/// may have them or pull them.
///
/// # Errors
/// The machines that lack one.
pub async fn deliver_images(
    run: &Run,
    provider: &dyn Provider,
    machines: &[Machine],
    references: &[String],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let deliver = async |machine: &Machine, _: &Scope<'_>| {
            let delivered = provider.host(machine).deliver_images(references).await?;
            Ok(delivered.map_or(Done::Unchanged(false), |done| done.map(|()| true)))
        };
        let delivered = scope.on_each(machines, deliver).await?;
        let changed = delivered.changed();
        if delivered.into_inner().contains(&false) {
            let images = references.join(", ");
            scope.warn(format!(
                "images are not delivered over SSH yet: nodes must have them already, or pull them ({images})"
            ));
        }
        Ok(Done::when(changed, ()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effects::ssh::{SshUser, ask::Nobody},
        engine::{EventKind, testing::*},
        model::Role,
        providers::ssh::{SshMachine, SshProvider},
    };

    fn machine(name: &str) -> SshMachine {
        SshMachine {
            name: name.into(),
            role: Role::Server,
            address: "192.0.2.1".into(),
            user: None,
            port: None,
            key: None,
        }
    }

    #[tokio::test]
    async fn what_is_not_delivered_is_said_once_for_all_machines_and_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let user = SshUser::from_environment(&folder.path().join("known_hosts"), Box::new(Nobody));
        let wanted = vec![machine("server-1"), machine("server-2")];
        let provider = SshProvider::new("school", None, folder.path().into(), wanted, user).unwrap();
        let machines = provider.known().await.unwrap();
        let events = Recorded::default();
        let (_canceller, run) = run(&events, None);
        deliver_images(&run, &provider, &machines, &["shop:1".into(), "web:1".into()]).await.unwrap();
        let said = |kind: &EventKind| match kind {
            EventKind::Warned { message, .. } => {
                message.contains("not delivered") && message.ends_with("(shop:1, web:1)")
            }
            _ => false,
        };
        assert_eq!((events.count(said), run.changed()), (1, false));
    }
}

use crate::{
    effects::images::ImageSource,
    engine::{Run, Scope, Step},
    failure::{Failure, IMAGE_NOT_DELIVERED},
    model::{Done, Machine, MachineState, image::Image},
    providers::Provider,
};

pub const STEP: Step = Step { id: "deliver-images", title: "Deliver images" };

/// Has these images on every machine that is not stopped, all at the same time: each is sent the parts that it lacks, and
/// then asked whether it has all of them.
///
/// # Errors
/// The machines that lack one.
pub async fn deliver_images(
    run: &Run,
    provider: &dyn Provider,
    source: &dyn ImageSource,
    machines: &[Machine],
    images: &[Image],
) -> Result<(), Failure> {
    run.step(STEP, async |scope| {
        let deliver = async |machine: &&Machine, scope: &Scope<'_>| {
            let host = provider.host(machine);
            let there = host.images().await?;
            let lacking: Vec<_> = images.iter().filter(|image| !there.has(image)).collect();
            if lacking.is_empty() {
                return Ok(Done::Unchanged(()));
            }
            let archive = source.archive(&lacking, &there.blobs).await?;
            host.import_images(&archive, &|done, of| scope.progress(done, of)).await?;
            let there = host.images().await?;
            let missing: Vec<_> = lacking.iter().filter(|image| !there.has(image)).collect();
            if !missing.is_empty() {
                return Err(not_delivered(machine, &missing));
            }
            if archive.size > 0 {
                let names: Vec<_> = lacking.iter().map(|image| image.name.as_str()).collect();
                scope.say(format!("{} sent for {}", indicatif::HumanBytes(archive.size), names.join(", ")));
            }
            Ok(Done::Changed(()))
        };
        let (stopped, others): (Vec<_>, Vec<_>) =
            machines.iter().partition(|machine| machine.state == MachineState::Stopped);
        for machine in stopped {
            scope.warn(format!("{} is stopped: the next `create` delivers to it", machine.name));
        }
        Ok(scope.on_each(&others, deliver).await?.map(drop))
    })
    .await
}

fn not_delivered(machine: &Machine, missing: &[&&Image]) -> Failure {
    let references: Vec<_> = missing.iter().map(|image| image.reference.as_str()).collect();
    let what = format!("machine `{}` does not have {} after it was sent", machine.name, references.join(", "));
    Failure::new(&IMAGE_NOT_DELIVERED, what)
        .because("`ctr images check` does not call it complete")
        .hint(format!("./orchestrator ssh {} -- sudo k3s ctr -n k8s.io images check", machine.name))
}

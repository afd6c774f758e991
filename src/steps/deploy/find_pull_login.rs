use super::selector_of;
use crate::{
    effects::{
        computer,
        images::Credentials,
        kube::{Kube, list_all},
    },
    engine::{Scope, Step},
    failure::Failure,
    model::{Done, registry::DockerConfig},
    plan::{cluster::PullRegistry, pull_secret::kept, stack::ParsedStack},
};

pub const STEP: Step = Step { id: "find-pull-login", title: "Find the login that nodes pull with" };

/// Returns the login for the nodes: that of the configuration or of the environment, else the one that an earlier deploy
/// left in the cluster; `None` where there is none, as for a registry that everyone may pull from.
///
/// # Errors
/// When a variable that the configuration names is not set and the cluster has no login; when the cluster does not
/// answer.
pub async fn find_pull_login(
    kube: &dyn Kube,
    registry: &PullRegistry,
    stacks: &[ParsedStack],
    scope: &Scope<'_>,
) -> Result<Done<Option<DockerConfig>>, Failure> {
    let found = Credentials::to_pull(&registry.host, registry.login.as_ref(), computer::variable);
    if let Ok(Some(found)) = &found {
        if let Some(variable) = found.ends_with_job() {
            scope.warn(format!(
                "${variable} ends with this job: nodes that pull later need a login that lasts, in `[images.pull-login]`"
            ));
        }
        return Ok(Done::Unchanged(Some(found.docker_config(&registry.host))));
    }
    let secrets = list_all(kube, [("v1".into(), "Secret".into())], &selector_of(stacks)).await?;
    match (kept(secrets.values(), &registry.host), found) {
        (Some(login), _) => {
            scope.say(format!("no login for {} here: nodes keep the one that they have", registry.host));
            Ok(Done::Unchanged(Some(login)))
        }
        (None, found) => found.map(|_| Done::Unchanged(None)),
    }
}

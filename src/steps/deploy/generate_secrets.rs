use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::request::retried;
use crate::{
    effects::{
        computer,
        kube::{Kube, KubeError, ObjectRef},
    },
    engine::{Scope, Step},
    failure::{CONFIG_INVALID, Failure},
    model::Done,
    plan::{
        cluster::{Secret, SecretValue},
        manifests::prepare::{MANAGED_BY_LABEL, MANAGER, STACK_LABEL},
        stack::ParsedStack,
    },
};

pub const STEP: Step = Step { id: "generate-secrets", title: "Generate secrets" };

/// Annotation of Secrets that were generated: they belong to the stack's data and are never pruned.
pub const GENERATED_ANNOTATION: &str = "orchestrator/generated";

/// Letters and digits: safe in every URL, shell and connection string.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Creates the Secrets that the stacks declare and that the cluster does not have. Existing values are kept; keys that
/// are missing are added. Values never leave for anywhere but the cluster.
///
/// # Errors
/// When a variable of the environment is not set, when this computer gives no random numbers, and when the cluster
/// refuses a Secret or does not answer.
pub async fn generate_secrets(kube: &dyn Kube, stacks: &[ParsedStack], scope: &Scope<'_>) -> Result<Done<()>, Failure> {
    let mut changed = false;
    for (stack, secret) in stacks.iter().flat_map(|stack| stack.secrets.iter().map(move |secret| (stack, secret))) {
        changed |= generate(kube, stack, secret, scope).await?;
    }
    Ok(Done::when(changed, ()))
}

async fn generate(kube: &dyn Kube, stack: &ParsedStack, secret: &Secret, scope: &Scope<'_>) -> Result<bool, Failure> {
    let object = ObjectRef {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: stack.namespace.clone(),
        name: secret.name.clone(),
    };
    let refused = |error: KubeError| error.into_failure(format!("{object} could not be generated"));
    let live = match retried(scope, &object, async || kube.get(&object).await).await {
        Ok(live) => live,
        Err(KubeError::NotFound(_)) => Value::Null,
        Err(error) => return Err(refused(error)),
    };
    let kept = live["data"].as_object().cloned().unwrap_or_default();
    tell_differences(secret, &kept, &object, scope);
    let data = missing_values(secret, &kept)?;
    if !live.is_null() && data.is_empty() {
        return Ok(false);
    }
    let keys = data.keys().cloned().collect::<Vec<_>>().join(", ");
    if live.is_null() {
        let new = new_secret(stack, &object, data);
        retried(scope, &object, async || kube.create(&new).await).await.map_err(refused)?;
        scope.say(format!("{object}: generated {keys}"));
    } else {
        let patch = json!({"data": data});
        retried(scope, &object, async || kube.merge(&object, &patch).await).await.map_err(refused)?;
        scope.say(format!("{object}: added {keys}"));
    }
    Ok(true)
}

fn new_secret(stack: &ParsedStack, object: &ObjectRef, data: Map<String, Value>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": object.name,
            "namespace": object.namespace,
            "labels": {STACK_LABEL: stack.name, MANAGED_BY_LABEL: MANAGER},
            "annotations": {GENERATED_ANNOTATION: "true"},
        },
        "type": "Opaque",
        "data": data,
    })
}

/// Returns encoded values for the keys that are not there yet.
fn missing_values(secret: &Secret, kept: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let mut data = Map::new();
    for (key, value) in secret.entries.iter().filter(|(key, _)| !kept.contains_key(key)) {
        data.insert(key.clone(), BASE64_STANDARD.encode(self::value(value)?).into());
    }
    Ok(data)
}

fn value(value: &SecretValue) -> Result<String, Failure> {
    match value {
        SecretValue::Random(length) => random(*length),
        SecretValue::Fixed(text) => Ok(text.clone()),
        SecretValue::Environment(variable) => computer::variable(variable).ok_or_else(|| {
            Failure::new(&CONFIG_INVALID, format!("a secret takes its value from ${variable}"))
                .because("the variable is not set to text")
                .hint(format!("export {variable}=..., then run the command again"))
        }),
    }
}

/// Returns so many letters and digits, each as likely as the others, from the operating system's generator.
fn random(length: usize) -> Result<String, Failure> {
    let unbiased = (256 / ALPHABET.len() * ALPHABET.len()) as u8;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(&crate::failure::BUG, "no random numbers from this computer").because(error)
        })?;
        let usable = bytes.iter().filter(|byte| **byte < unbiased).take(length - text.len());
        text.extend(usable.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])));
    }
    Ok(text)
}

/// A changed user or database name would not reach the database that was made with the old one.
fn tell_differences(secret: &Secret, kept: &Map<String, Value>, object: &ObjectRef, scope: &Scope<'_>) {
    for (key, value) in &secret.entries {
        let wanted = match value {
            SecretValue::Fixed(text) => text.clone(),
            SecretValue::Environment(variable) => computer::variable(variable).unwrap_or_default(),
            SecretValue::Random(_) => continue,
        };
        let differs = kept.get(key).is_some_and(|kept| *kept != BASE64_STANDARD.encode(wanted));
        if differs {
            scope.warn(format!("{object}: {key} differs from orchestrator.toml; the cluster's value was kept"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn stack_with(entries: &[(&str, SecretValue)]) -> ParsedStack {
        let entries = entries.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        ParsedStack { secrets: vec![Secret { name: "db".into(), entries }], ..stack("") }
    }

    fn decoded(kube: &FakeKube, key: &str) -> String {
        let secret = kube.object("Secret shop/db");
        let bytes = BASE64_STANDARD.decode(secret["data"][key].as_str().expect("a value")).expect("base64");
        String::from_utf8(bytes).expect("text")
    }

    #[tokio::test]
    async fn values_are_made_once_and_missing_keys_are_added() {
        let kube = FakeKube::default();
        let first = [stack_with(&[("PASSWORD", SecretValue::Random(24))])];
        assert!(run(async |scope| generate_secrets(&kube, &first, scope).await).await.expect("done").changed());
        let password = decoded(&kube, "PASSWORD");
        assert_eq!(password.len(), 24);

        let second = [stack_with(&[("PASSWORD", SecretValue::Random(9)), ("USER", SecretValue::Fixed("ann".into()))])];
        assert!(run(async |scope| generate_secrets(&kube, &second, scope).await).await.expect("done").changed());
        assert_eq!((decoded(&kube, "PASSWORD"), decoded(&kube, "USER")), (password, "ann".into()));
        assert!(!run(async |scope| generate_secrets(&kube, &second, scope).await).await.expect("done").changed());
    }

    #[test]
    fn random_values_differ() {
        let (one, two) = (random(40).expect("random"), random(40).expect("random"));
        assert_ne!(one, two);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}

//! The steps that look: requests to Services and commands in pods.

use serde_json::Value;

use super::{Miss, replicas::pods_of};
use crate::{
    effects::kube::{Kube, ServiceRequest},
    plan::checks::{Exec, Http, Placeholders, contains},
};

/// Sends a request and holds the answer against what must come; what later steps need of it is kept.
pub async fn http(kube: &dyn Kube, http: &Http, known: &mut Placeholders) -> Result<(), Miss> {
    let request = ServiceRequest {
        method: http.method.clone(),
        namespace: http.namespace.clone(),
        service: http.service.clone(),
        port: http.port.clone(),
        path: known.path(&http.path),
        json: http.json.as_ref().map(|body| known.json(body).to_string()),
    };
    let answer = kube.ask_service(&request).await?;
    let (fits, wanted) = match http.status {
        Some(status) => (answer.status == status, status.to_string()),
        None => ((200..300).contains(&answer.status), "2xx".to_owned()),
    };
    if !fits {
        return Err(Miss::new(format!("answered {}, not {wanted}", answer.status)).output(&answer.body));
    }
    if http.contains.is_none() && http.keep.is_empty() {
        return Ok(());
    }
    let body: Value = serde_json::from_str(&answer.body)
        .map_err(|error| Miss::new(format!("answered what is no JSON: {error}")).output(&answer.body))?;
    if let Some(wanted) = &http.contains {
        contains(&body, &known.json(wanted)).map_err(|words| Miss::new(words).output(&answer.body))?;
    }
    for (name, pointer) in &http.keep {
        let value = body.pointer(pointer).cloned();
        let lacks = || Miss::new(format!("the answer has no {pointer}")).output(&answer.body);
        known.keep(name, value.ok_or_else(lacks)?);
    }
    Ok(())
}

/// Runs a command in the first ready pod of a workload and holds what it prints against what it must.
pub async fn exec(kube: &dyn Kube, exec: &Exec, known: &Placeholders) -> Result<(), Miss> {
    let pods = pods_of(kube, &exec.workload).await?;
    let ready = pods.into_iter().find(|pod| pod.ready);
    let pod = ready.ok_or_else(|| Miss::new(format!("no pod of {} is ready", exec.workload.name)))?;
    let command: Vec<_> = exec.command.iter().map(|word| known.text(word)).collect();
    let output = kube.exec(&exec.workload.namespace, &pod.name, &command).await?;
    if !output.ok {
        let because = format!("the command failed in pod {}: {}", pod.name, output.because);
        return Err(Miss::new(because).output(&(output.stdout + &output.stderr)));
    }
    let (seen, wanted) = (output.stdout.trim(), exec.prints.as_ref().map(|text| known.text(text)));
    match wanted {
        Some(wanted) if seen != wanted.trim() => {
            let because = format!("pod {} printed something else than `{}`", pod.name, wanted.trim());
            Err(Miss::new(because).output(if seen.is_empty() { "(nothing)" } else { seen }))
        }
        _ => Ok(()),
    }
}

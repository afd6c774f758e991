//! The life of one container: wait, pull, start, become ready, crash, start again.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{condition, requests::containers},
    Subject, Sync, config,
    image::{self, Availability},
    memory::{Wait, back_off},
    status,
};

use crate::model::image_name;

/// One container of the pod that is looked at.
struct Part {
    spec: Value,
    name: String,
    /// `containers` or `initContainers`.
    list: &'static str,
}

impl Part {
    fn field(&self) -> String {
        format!("spec.{}{{{}}}", self.list, self.name)
    }

    fn image(&self) -> &str {
        self.spec["image"].as_str().unwrap_or_default()
    }

    fn sidecar(&self) -> bool {
        self.list == "initContainers" && self.spec["restartPolicy"] == "Always"
    }
}

impl Sync<'_> {
    /// Moves the containers on whose turn it is: init containers one after the other, then all others.
    pub fn advance(&mut self) {
        if self.rebooted {
            let message = "Pod sandbox changed, it will be killed and re-created.";
            self.tell(false, "SandboxChanged", message, "");
        }
        for place in 0..containers(&self.value["spec"], "initContainers").count() {
            self.step("initContainers", "initContainerStatuses", place);
            let status = &self.value["status"]["initContainerStatuses"][place];
            if !status::initialized(&self.value["spec"], status) {
                return;
            }
        }
        for place in 0..containers(&self.value["spec"], "containers").count() {
            self.step("containers", "containerStatuses", place);
        }
    }

    fn step(&mut self, list: &'static str, statuses: &str, place: usize) {
        let spec = self.value["spec"][list][place].clone();
        let part = Part { name: spec["name"].as_str().unwrap_or_default().into(), spec, list };
        let mut status = self.value["status"][statuses][place].take();
        if self.rebooted && !status["state"]["running"].is_null() {
            self.reboot(&part, &mut status);
        } else if !status["state"]["running"].is_null() {
            self.running(&part, &mut status);
        } else if !status["state"]["terminated"].is_null() {
            self.terminated(&part, &mut status);
        } else {
            self.waiting(&part, &mut status);
        }
        self.value["status"][statuses][place] = status;
    }

    fn waiting(&mut self, part: &Part, status: &mut Value) {
        let reason = status["state"]["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
        if reason == "CrashLoopBackOff" {
            return self.crash_looping(part, status);
        }
        match self.availability(part) {
            Availability::Invalid => self.invalid_name(part, status),
            Availability::NeverPulled => {
                let message = format!("Container image \"{}\" is not present with pull policy of Never", part.image());
                self.hold(part, status, "ErrImageNeverPull", &message, "ErrImageNeverPull");
            }
            Availability::Fails(cause) => self.pull_fails(part, status, &reason, &cause),
            Availability::Present => {
                if self.wait(&part.name, "start", self.cx.world.pace.start) == Wait::Over {
                    let message = format!("Container image \"{}\" already present on machine", part.image());
                    self.tell(false, "Pulled", message, &part.field());
                    self.create(part, status);
                }
            }
            Availability::Pullable => self.pull(part, status),
        }
    }

    fn availability(&mut self, part: &Part) -> Availability {
        let faults = &self.cx.world.faults.image_pull;
        let fault = !faults.is_empty() && self.image_fault(part);
        let policy = part.spec["imagePullPolicy"].as_str().unwrap_or("IfNotPresent");
        let pulled = self.cx.kubelet.images.get(&self.pod.node);
        let pulled = |image: &str| pulled.is_some_and(|images| images.contains(image));
        image::availability(&self.cx.world, &self.pod.node, part.image(), policy, pulled, fault)
    }

    /// A fault that names an image means that image; one that names a workload means all of its images.
    fn image_fault(&self, part: &Part) -> bool {
        let faults = &self.cx.world.faults.image_pull;
        let names = image::repository_names(part.image());
        if faults.iter().any(|fault| names.contains(fault)) {
            return true;
        }
        let others: Vec<String> = ["containers", "initContainers"]
            .into_iter()
            .flat_map(|list| containers(&self.value["spec"], list))
            .filter_map(|container| container["image"].as_str())
            .flat_map(image::repository_names)
            .collect();
        let workloads: Vec<String> = faults.iter().filter(|fault| !others.contains(fault)).cloned().collect();
        Subject::of(self.cx, &self.pod.object, &self.value).hit_by(&workloads)
    }

    fn invalid_name(&mut self, part: &Part, status: &mut Value) {
        let image = part.image();
        let message = format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
        );
        if status["state"]["waiting"]["reason"] != "InvalidImageName" {
            self.tell(true, "InspectFailed", message.clone(), &part.field());
        }
        self.hold(part, status, "InvalidImageName", &message, "InvalidImageName");
    }

    /// Waits with a reason until something else changes; tells it once.
    fn hold(&mut self, part: &Part, status: &mut Value, reason: &str, message: &str, told: &str) {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        if status["state"] != state {
            self.tell(true, "Failed", format!("Error: {told}"), &part.field());
            status["state"] = state;
        }
    }

    fn pull(&mut self, part: &Part, status: &mut Value) {
        let pace = self.cx.world.pace.pull;
        match self.wait(&part.name, "pull", pace) {
            Wait::Begun(_) => self.tell(false, "Pulling", format!("Pulling image \"{}\"", part.image()), &part.field()),
            Wait::Going(_) => {}
            Wait::Over => {
                let message = format!(
                    "Successfully pulled image \"{}\" in {pace:?} ({pace:?} including waiting). Image size: 52428800 bytes.",
                    part.image()
                );
                self.tell(false, "Pulled", message, &part.field());
                self.keep_image(part);
                self.create(part, status);
            }
        }
    }

    fn keep_image(&mut self, part: &Part) {
        let Some(full) = image_name::canonical(part.image()) else { return };
        let node = self.pod.node.clone();
        if self.cx.kubelet.images.entry(node.clone()).or_default().insert(full) {
            self.cx.after(super::Controller::Node, "", &node, Duration::from_millis(200));
        }
    }

    fn pull_fails(&mut self, part: &Part, status: &mut Value, reason: &str, cause: &str) {
        let image = part.image();
        let uid = self.uid();
        let first = self.cx.world.pace.back_off;
        let attempt = match reason {
            "ErrImagePull" => {
                if self.wait(&part.name, "back-off", self.cx.world.pace.ready) == Wait::Over {
                    let message = format!("Back-off pulling image \"{image}\"");
                    self.tell(false, "BackOff", message.clone(), &part.field());
                    self.tell(true, "Failed", "Error: ImagePullBackOff", &part.field());
                    let message = format!("{message}: ErrImagePull: {cause}");
                    status["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
                    let left = back_off(first, self.cx.kubelet.attempts(uid));
                    self.wait(&part.name, "retry", left);
                }
                return;
            }
            "ImagePullBackOff" => self.wait(&part.name, "retry", back_off(first, self.cx.kubelet.attempts(uid))),
            _ => self.wait(&part.name, "pull", self.cx.world.pace.pull),
        };
        if attempt != Wait::Over {
            return;
        }
        self.cx.kubelet.attempt(uid);
        self.tell(false, "Pulling", format!("Pulling image \"{image}\""), &part.field());
        self.tell(true, "Failed", format!("Failed to pull image \"{image}\": {cause}"), &part.field());
        self.tell(true, "Failed", "Error: ErrImagePull", &part.field());
        status["state"] = json!({"waiting": {"reason": "ErrImagePull", "message": cause}});
        let pace = self.cx.world.pace.ready;
        self.wait(&part.name, "back-off", pace);
    }

    /// Starts the container, unless its environment lacks something.
    fn create(&mut self, part: &Part, status: &mut Value) {
        if let Some(missing) = config::missing_environment(self.cx, self.pod.namespace(), &part.spec) {
            return self.hold(part, status, "CreateContainerConfigError", &missing, &missing.clone());
        }
        self.tell(false, "Created", format!("Created container: {}", part.name), &part.field());
        self.tell(false, "Started", format!("Started container {}", part.name), &part.field());
        self.start(part, status);
    }

    fn start(&mut self, part: &Part, status: &mut Value) {
        let full = image_name::canonical(part.image()).unwrap_or_default();
        let restarts = status["restartCount"].as_i64().unwrap_or(0);
        let id = image::digest(&format!("{}/{}/{restarts}", self.uid(), part.name));
        status["image"] = json!(full);
        status["imageID"] = json!(image::id(&full));
        status["containerID"] = json!(format!("containerd://{id}"));
        status["state"] = json!({"running": {"startedAt": condition::now()}});
        status["started"] = json!(true);
        let at_once = part.spec["readinessProbe"].is_null() && (part.list == "containers" || part.sidecar());
        status["ready"] = json!(at_once && !self.crashes && !self.unready && !self.works(part));
        let mut later = status.take();
        if later["ready"] != true {
            self.running(part, &mut later);
        }
        *status = later;
    }

    /// The container ends its work by itself: an init container, or one of a Job.
    fn works(&self, part: &Part) -> bool {
        let of_job = self.pod.object.controller().is_some_and(|owner| owner.kind == "Job");
        (part.list == "initContainers" && !part.sidecar()) || (part.list == "containers" && of_job)
    }

    fn running(&mut self, part: &Part, status: &mut Value) {
        let pace = self.cx.world.pace;
        if self.crashes && part.list == "containers" {
            if self.wait(&part.name, "crash", pace.start) == Wait::Over {
                self.exit(status, 1, "Error");
            }
        } else if self.works(part) {
            let takes = if part.list == "containers" { pace.ready } else { pace.start };
            if self.wait(&part.name, "work", takes) == Wait::Over {
                self.exit(status, 0, "Completed");
                status["ready"] = json!(part.list == "initContainers");
            }
        } else if self.unready && part.list == "containers" {
            self.probe_fails(part, status);
        } else if status["ready"] != true && self.wait(&part.name, "ready", pace.ready) == Wait::Over {
            status["ready"] = json!(true);
        }
    }

    fn probe_fails(&mut self, part: &Part, status: &mut Value) {
        let uid = self.uid();
        let period = back_off(self.cx.world.pace.ready, self.cx.kubelet.attempts(uid)).max(self.cx.world.pace.ready);
        if self.wait(&part.name, "probe", period) != Wait::Over {
            return;
        }
        status["ready"] = json!(false);
        let message = "Readiness probe failed: HTTP probe failed with statuscode: 503";
        self.tell(true, "Unhealthy", message, &part.field());
        self.cx.kubelet.attempt(uid);
        let next = back_off(self.cx.world.pace.ready * 10, self.cx.kubelet.attempts(uid));
        self.wait(&part.name, "probe", next);
    }

    fn exit(&self, status: &mut Value, code: i64, reason: &str) {
        let started = status["state"]["running"]["startedAt"].take();
        let id = status["containerID"].clone();
        status["state"] = json!({"terminated": {
            "containerID": id, "exitCode": code, "reason": reason,
            "startedAt": started, "finishedAt": condition::now(),
        }});
        status["ready"] = json!(false);
        status["started"] = json!(false);
    }

    fn terminated(&mut self, part: &Part, status: &mut Value) {
        let policy = self.value["spec"]["restartPolicy"].as_str().unwrap_or("Always").to_owned();
        let code = status["state"]["terminated"]["exitCode"].as_i64().unwrap_or(0);
        let done = part.list == "initContainers" && code == 0;
        if done || !status::restarts(&policy, code) {
            return;
        }
        if self.wait(&part.name, "restart", self.cx.world.pace.start) != Wait::Over {
            return;
        }
        if status["restartCount"] == 0 || !self.crashes {
            return self.restart(part, status);
        }
        let restarts = status["restartCount"].as_u64().unwrap_or(0);
        let place = format!("{}_{}({})", self.pod.name(), self.pod.namespace(), self.uid());
        let message = format!(
            "back-off {} restarting failed container={} pod={place}",
            go_duration((10 << (restarts.clamp(1, 6) - 1)).min(300)),
            part.name
        );
        let told = format!("Back-off restarting failed container {} in pod {place}", part.name);
        self.tell(true, "BackOff", told, &part.field());
        status["lastState"] = status["state"].take();
        status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
        self.crash_looping(part, status);
    }

    fn crash_looping(&mut self, part: &Part, status: &mut Value) {
        let pace = self.cx.world.pace;
        let restarts = status["restartCount"].as_u64().unwrap_or(1);
        let failures = u32::try_from(restarts.saturating_sub(1)).unwrap_or(u32::MAX);
        let (stage, delay) = match self.crashes {
            true => ("crash-loop", back_off(pace.back_off, failures)),
            false => ("heal", pace.start),
        };
        if self.wait(&part.name, stage, delay) == Wait::Over {
            self.restart(part, status);
        }
    }

    fn restart(&mut self, part: &Part, status: &mut Value) {
        if !status["state"]["terminated"].is_null() {
            status["lastState"] = status["state"].take();
        }
        status["restartCount"] = json!(status["restartCount"].as_i64().unwrap_or(0) + 1);
        let message = format!("Container image \"{}\" already present on machine", part.image());
        self.tell(false, "Pulled", message, &part.field());
        self.create(part, status);
    }

    /// The machine was off: the container ended then, and starts again now.
    fn reboot(&mut self, part: &Part, status: &mut Value) {
        self.exit(status, 255, "Unknown");
        self.restart(part, status);
    }
}

/// Returns seconds as Go prints durations: `40s`, `1m20s`.
fn go_duration(seconds: u64) -> String {
    match seconds / 60 {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{}s", seconds % 60),
    }
}

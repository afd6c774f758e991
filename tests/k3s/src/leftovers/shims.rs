//! A process and a mount for each pod, as the container runtime has them. They stay when K3s ends.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::programs;
use crate::{kubelet::RunningPod, log, paths::Paths, version};

const TASKS: &str = "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io";
const SOCKET: &str = "/run/k3s/containerd/containerd.sock";
const VOLUME: &str = "volumes/kubernetes.io~projected/kube-api-access";

/// The processes of one node's pods.
pub struct Shims {
    paths: Paths,
    children: BTreeMap<String, Child>,
}

impl Shims {
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone(), children: BTreeMap::new() }
    }

    /// Has one process for each of these pods, and none for others.
    pub fn keep(&mut self, pods: &[RunningPod]) {
        if !self.paths.is_host() {
            return;
        }
        let wanted: BTreeMap<_, _> = pods.iter().map(|pod| (version::digest(&pod.uid), pod)).collect();
        for (id, pod) in &wanted {
            if self.pid(id).is_none()
                && let Err(error) = self.start(id, pod)
            {
                log::warning(format!("Failed to start a shim for {}/{}: {error}", pod.namespace, pod.name));
            }
        }
        let tasks = fs::read_dir(self.paths.host(TASKS)).into_iter().flatten().flatten();
        for id in tasks.map(|task| task.file_name().to_string_lossy().into_owned()) {
            if !wanted.contains_key(&id) {
                self.end(&id);
            }
        }
    }

    fn task(&self, id: &str) -> PathBuf {
        self.paths.host(TASKS).join(id)
    }

    /// Returns the pod's process, if it lives.
    fn pid(&self, id: &str) -> Option<Pid> {
        let pid: i32 = fs::read_to_string(self.task(id).join("shim.pid")).ok()?.trim().parse().ok()?;
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        Pid::from_raw(pid).filter(|_| command.contains(id))
    }

    fn start(&mut self, id: &str, pod: &RunningPod) -> io::Result<()> {
        let task = self.task(id);
        fs::create_dir_all(&task)?;
        let child = Command::new("/proc/self/exe")
            .arg0(programs(&self.paths).join("containerd-shim-runc-v2"))
            .args(["-namespace", "k8s.io", "-id", id, "-address", SOCKET])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_clear()
            .current_dir(&task)
            .process_group(0)
            .spawn()?;
        fs::write(task.join("shim.pid"), child.id().to_string())?;
        fs::write(task.join("pod"), &pod.uid)?;
        self.children.insert(id.into(), child);
        let volume = self.volume(&pod.uid);
        fs::create_dir_all(&volume)?;
        Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&volume).output()?;
        Ok(())
    }

    fn volume(&self, uid: &str) -> PathBuf {
        self.paths.host("var/lib/kubelet/pods").join(uid).join(VOLUME)
    }

    fn end(&mut self, id: &str) {
        if let Some(pid) = self.pid(id) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if let Some(mut child) = self.children.remove(id) {
            let _ = child.wait();
        }
        let uid = fs::read_to_string(self.task(id).join("pod")).unwrap_or_default();
        if !uid.is_empty() {
            let _ = Command::new("umount").arg(self.volume(&uid)).output();
            let _ = fs::remove_dir_all(self.paths.host("var/lib/kubelet/pods").join(&uid));
        }
        let _ = fs::remove_dir_all(self.task(id));
    }
}

/// Is one of those processes, until it is killed.
pub fn run() -> ! {
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"containerd-shim");
    loop {
        std::thread::park();
    }
}

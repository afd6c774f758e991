"""What is measured."""

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hosts
import images
import manifests
import real
import services
import virtual
from cluster import cluster
from measure import Sample

# A real server of this speed uses 1.4 s of processor time for 500 unchanged objects: 2.8 ms each.
REAL_SERVER = 'api-latency = "3ms"'


@dataclass
class Setup:
    repository: Path
    binary: Path
    rounds: int


def times(count, command):
    return [command() for _ in range(count)]


def startup(table, setup):
    with cluster(setup.binary) as one:
        one.orchestrator("--version")
        table.add("`orchestrator --version`", times(setup.rounds * 4, lambda: one.orchestrator("--version")), "0.010 s")


def stack(table, setup):
    """The shipped stack, from nothing."""
    with cluster(setup.binary) as one:
        shutil.copy(setup.repository / "orchestrator.toml", one.folder)
        for name in ("manifests", "Dockerfiles"):
            if (setup.repository / name).exists():
                shutil.copytree(setup.repository / name, one.folder / name)
        figures = {"create": [], "again": [], "status": [], "destroy": []}
        for _ in range(setup.rounds):
            figures["create"].append(one.orchestrator("create"))
            figures["again"].append(one.orchestrator("create"))
            figures["status"].append(one.orchestrator("status"))
            figures["destroy"].append(one.orchestrator("destroy", "--yes"))
        table.add("`create`, the shipped stack, cold", figures["create"], "2 s")
        table.add("`create` again, nothing to do", figures["again"], "0.3 s")
        table.add("`status`", figures["status"])
        table.add("`destroy`", figures["destroy"])


def objects(table, setup):
    """500 objects, against a server as slow as a real one."""
    with cluster(setup.binary) as one:
        manifests.write(one.manifests, [])
        one.configure(faults=REAL_SERVER)
        one.orchestrator("create")
        shutil.rmtree(one.manifests)
        manifests.five_hundred(one.manifests)
        table.put("**500 objects**, each write 3 ms", "")
        deployed, again, gone = [], [], []
        for _ in range(max(1, setup.rounds // 2)):
            deployed.append(one.orchestrator("deploy"))
            again += times(2, lambda: one.orchestrator("deploy"))
            gone.append(one.orchestrator("undeploy"))
        table.add("`deploy`, until 100 workloads are ready", deployed, "1.5 s")
        table.add("`deploy` again, unchanged", again, "0.5 s")
        table.add("`undeploy`, until all is gone", gone)
        kubectl(table, one)


def kubectl(table, one):
    """The same objects, by kubectl. It sends one request after the other, so once is enough."""
    apply = ("apply", "--server-side", "-f", "manifests")
    one.kubectl("api-resources")
    table.add("`kubectl apply --server-side` (waits for nothing)", [one.kubectl(*apply)])
    table.add("the same, unchanged", [one.kubectl(*apply)])
    table.add("`kubectl delete`, until all is gone", [one.kubectl("delete", "--ignore-not-found", "-f", "manifests")])
    table.add("`kubectl apply`, client-side", [one.kubectl("apply", "-f", "manifests")])
    table.add("the same, unchanged", [one.kubectl("apply", "-f", "manifests")])


def status(table, setup):
    """What it costs to look at 1,000 pods."""
    with cluster(setup.binary) as one:
        manifests.pods(one.manifests, deployments=100, replicas=10)
        one.configure(agents=10)
        one.orchestrator("create")
        table.put("**1,000 pods** in 100 workloads", "")
        table.add("`status`", times(setup.rounds, lambda: one.orchestrator("status")))
        table.add("`kubectl get pods -A`", times(setup.rounds, lambda: one.kubectl("get", "pods", "-A")))


def scale(table, setup):
    """200 nodes and 5,000 pods, alone and with somebody watching."""
    table.put("**200 nodes, 5,000 pods** in 50 workloads", "")
    with large(setup) as one:
        table.add("`create`, from nothing until all are ready", [one.orchestrator("create")], "10 s")
        table.put("the rehearsal process meanwhile", f"{one.peak_memory():.0f} MB", f"{one.processor_time():.3f} s", aim="200 MB")
        table.add("`create` again, nothing to do", times(setup.rounds, lambda: one.orchestrator("create")))
        table.add("`status`", times(setup.rounds, lambda: one.orchestrator("status")))
        pods = times(setup.rounds, lambda: one.kubectl("get", "pods", "-A"))
        ready = sum(" 1/1 " in line for line in pods[0].output.splitlines() if line.startswith("team-"))
        if ready != 5000:
            raise SystemExit(f"only {ready} pods are ready")
        table.add("`kubectl get pods -A`", pods)
        table.put("the rehearsal process after all that", f"{one.peak_memory():.0f} MB", f"{one.processor_time():.3f} s")
    with large(setup) as one:
        watch = threading.Thread(target=watched, args=(one, table))
        watch.start()
        table.add("`create` while `kubectl get pods -A -w` runs", [one.orchestrator("create")])
        watch.join()


@contextmanager
def large(setup):
    with cluster(setup.binary) as one:
        manifests.pods(one.manifests, deployments=50, replicas=100)
        one.configure(agents=199)
        yield one


def watched(one, table, within=60):
    """Watches from the first moment on until every pod was seen ready."""
    while one.kubeconfig() is None:
        time.sleep(0.005)
    started = time.perf_counter()
    command = one.kubectl_command("get", "pods", "-A", "-w", "--no-headers")
    process = subprocess.Popen(
        command, cwd=one.folder, env=one.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    timer = threading.Timer(within, process.terminate)
    timer.start()
    ready = set()
    for line in process.stdout:
        words = line.split()
        if len(words) > 2 and words[0].startswith("team-") and words[2] == "1/1":
            ready.add(words[1])
        if len(ready) == 5000:
            break
    timer.cancel()
    process.terminate()
    process.wait()
    table.add(f"the watch, until it saw {len(ready)} pods ready", [Sample(time.perf_counter() - started, 0, "")])


def size(table, setup):
    table.put("release binary", f"{setup.binary.stat().st_size / 1e6:.1f} MB", aim="30 MB")


ALL = {
    "startup": startup,
    "stack": stack,
    "objects": objects,
    "status": status,
    "scale": scale,
    "size": size,
    "hosts": hosts.hosts,
    "upload": hosts.upload,
    "images": images.images,
    "k3s": real.real,
    "vagrant": virtual.vagrant,
    "services": services.services,
}
# What needs no machines.
USUAL = ["startup", "stack", "objects", "status", "scale", "size"]

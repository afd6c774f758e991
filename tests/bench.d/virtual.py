"""What is measured on virtual machines, emulated in software: `create` beside Vagrant alone."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import rack
from measure import Sample, run

CONFIG = """\
version = 1
[cluster]
name = "bench"
provider = "vagrant"
agents = 1
[k3s]
version = "{version}"
artifacts = "{artifacts}"
[machine]
cpus = 1
memory = "1GiB"
disk = "5GiB"
[vagrant]
box = "orchestrator/tests"
box-url = "{rig}/debian12.box"
driver = "qemu"
storage-pool = "orchestrator-tests"
"""


def vagrant(table, setup):
    """The same Vagrantfile, by `create` and by `vagrant up`, in turn."""
    with rig(setup.repository) as folder, rack.rack(setup.binary) as one:
        artifacts = rack.artifacts(one.folder / "artifacts", setup.binary.with_name("k3s"))
        text = CONFIG.format(version=rack.VERSION, artifacts=artifacts, rig=folder)
        (one.folder / "orchestrator.toml").write_text(text)
        add_box(one, folder)
        created, machines, alone, again = [], [], [], []
        for _ in range(max(2, setup.rounds // 2)):
            created.append(one.orchestrator("create"))
            machines.append(step(one.events(), "create-machines"))
            again += [one.orchestrator("create") for _ in range(2)]
            plain(one, "destroy", "--force")
            alone.append(plain(one, "up", "--provider", "libvirt"))
            one.orchestrator("destroy", "--yes")
        table.put("**two virtual machines**, emulated", "")
        table.add("`create`, until both nodes and the add-ons are ready", created)
        table.add("its machines", machines)
        table.add("`vagrant up` with the same Vagrantfile", alone)
        best = min(sample.wall for sample in machines) / min(sample.wall for sample in alone)
        table.put("machines over `vagrant up`, the best of each", f"{best:.2f}", aim="1.05")
        table.add("`create` again, nothing to do", again)


def step(events, name):
    ended = next(event for event in events if event["kind"] == "step_finished" and event["step"] == name)
    return Sample(ended["elapsed_ms"] / 1000, 0, "")


def add_box(one, folder):
    words = ["box", "add", "--force", "--provider", "libvirt", "--name", "orchestrator/tests", f"{folder}/debian12.box"]
    run(["vagrant", *words], one.folder, one.environment)


def plain(one, *words):
    """Vagrant alone, on the folder that the orchestrator wrote."""
    folder = one.folder / ".orchestrator/bench/vagrant"
    environment = one.environment | {"VAGRANT_CHECKPOINT_DISABLE": "1"}
    return run(["vagrant", *words], folder, environment)


@contextmanager
def rig(repository):
    shared = os.environ.get("ORCHESTRATOR_VAGRANT_RIG")
    folder = Path(shared or repository / "target/vagrant-rig").resolve()
    if not shared:
        subprocess.run([repository / "tests/vagrant-rig/up", folder], check=True)
    try:
        yield folder
    finally:
        if not shared:
            subprocess.run([repository / "tests/vagrant-rig/down", folder], check=True)

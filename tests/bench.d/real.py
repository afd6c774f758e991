"""What is measured of a real K3s: `ORCHESTRATOR_TEST_K3S` names its binary, beside which its images lie."""

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import rack
import rig
from measure import Sample

# No image is there for them, and nothing can be pulled.
DISABLED = ("servicelb", "traefik")
FILES = {"server": "k3s", "agent": "k3s-agent"}
UNIT = """\
[Service]
Type=notify
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
ExecStart=/usr/local/bin/k3s {role}
"""
# Until the nodes are Ready, as often as there are nodes.
AWAIT = """
until [ "$(k3s kubectl get nodes 2>/dev/null | grep -c ' Ready ')" = {count} ]; do sleep 0.1; done
"""


def real(table, setup):
    """A server and two agents on machines that have nothing yet, beside K3s alone."""
    binary = os.environ.get("ORCHESTRATOR_TEST_K3S")
    if not binary:
        raise SystemExit("`k3s` measures a real K3s: ORCHESTRATOR_TEST_K3S names its binary")
    folder = Path(binary).parent
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    settings = f"disable = {json.dumps(DISABLED)}"
    created, nodes, again, alone = [], [], [], []
    for _ in range(max(1, setup.rounds // 2)):
        with rack.rack(setup.binary) as one, rig.machines(setup.repository, 3, one.key, rig.FOR_K3S) as machines:
            one.reach(machines.all)
            one.configure(machines.all, folder, version, settings)
            created.append(one.orchestrator("create"))
            nodes.append(until(one.events(), "await-nodes"))
            before = machines.runs()
            again += [one.orchestrator("create") for _ in range(3)]
            if machines.runs() != before:
                raise SystemExit("`create` restarted K3s although nothing had to change")
        with rack.rack(setup.binary) as one, rig.machines(setup.repository, 3, one.key, rig.FOR_K3S) as machines:
            alone.append(by_hand(machines, folder))
    table.put(f"**K3s {version}**, a server and two agents, from machines without anything", "")
    table.add("`create` until all nodes are Ready, the images carried", nodes, "21 s")
    table.add("`create` until the add-ons are ready, too", created)
    table.add("`create` again: nothing restarted", again, "0.5 s")
    table.add("K3s alone: the files are there, all units start at the same moment, until all nodes are Ready", alone)


def until(events, step):
    """How long a run took until a step had ended."""
    ended = next(event for event in events if event["kind"] == "step_finished" and event["step"] == step)
    first, last = (datetime.fromisoformat(event["at"]) for event in (events[0], ended))
    return Sample((last - first).total_seconds(), 0, "")


def by_hand(machines, folder):
    """K3s as it comes, without a second thought: what it takes by itself."""
    server = machines.all[0].address
    config = f"token: a-token-of-a-benchmark\nnode-ip: {{address}}\n"
    disable = f"disable: [{', '.join(DISABLED)}]\n"

    def prepare(place):
        machine, role = machines.all[place], "agent" if place else "server"
        machines.sh(machine.name, "mkdir -p /etc/rancher/k3s /var/lib/rancher/k3s/agent/images")
        container = f"{machines.prefix}-{machine.name}"
        machines.docker("cp", folder / "k3s", f"{container}:/usr/local/bin/k3s")
        for archive in folder.glob("k3s-airgap-images-*"):
            machines.docker("cp", archive, f"{container}:/var/lib/rancher/k3s/agent/images/")
        lines = config.format(address=machine.address) + (disable if role == "server" else f"server: https://{server}:6443\n")
        unit = f"/etc/systemd/system/{FILES[role]}.service"
        machines.sh(machine.name, f"cat >/etc/rancher/k3s/config.yaml <<'END'\n{lines}END\n")
        machines.sh(machine.name, f"cat >{unit} <<'END'\n{UNIT.format(role=role)}END\nsystemctl daemon-reload")
        return lambda: machines.sh(machine.name, f"systemctl start --no-block {FILES[role]}")

    with ThreadPoolExecutor(3) as pool:
        starts = list(pool.map(prepare, range(3)))
        begun = time.perf_counter()
        list(pool.map(lambda start: start(), starts))
        machines.sh(machines.all[0].name, AWAIT.format(count=3))
    return Sample(time.perf_counter() - begun, 0, "")

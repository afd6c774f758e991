"""A change of one line, from its folder to three machines, beside `docker save | ssh ctr import`."""

import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import rack
import rig
from measure import Sample, run

MACHINES = 3
# The layers that do not change, and how large each is.
LAYERS, SIZE = 5, 24_000_000
SECTIONS = """
[images.build]
{name} = "image"
[stacks.shop]
manifests = "shop.yaml"
"""
POD = """\
apiVersion: v1
kind: Namespace
metadata: {{ name: shop }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: shop }}
spec:
  selector: {{ matchLabels: {{ app: shop }} }}
  template:
    metadata: {{ labels: {{ app: shop }} }}
    spec: {{ containers: [{{ name: shop, image: {name} }}] }}
"""


def images(table, setup):
    with rack.rack(setup.binary) as one, rig.machines(setup.repository, MACHINES, one.key) as machines:
        one.environment["DOCKER_HOST"] = f"unix://{machines.engine}/docker.sock"
        # Of several clients of Docker, the one that came with the engine.
        one.environment["PATH"] = f"/usr/bin:{one.environment['PATH']}"
        one.reach(machines.all)
        machines.pace("fast")
        shop = Shop(one, machines)
        try:
            cold = one.orchestrator("create")
            ours, theirs = [], []
            for turn in range(setup.rounds):
                shop.change(f"ours {turn}")
                one.orchestrator("deploy")
                ours.append(shop.pieces())
                shop.change(f"theirs {turn}")
                theirs.append(shop.script())
        finally:
            one.orchestrator("destroy", "--yes")
            shop.forget()
    size = (LAYERS * SIZE) // 1_000_000
    table.put(f"**an image of {size} MB in {LAYERS + 1} layers, a line changed, on {MACHINES} machines**", "")
    table.add("built and delivered, each machine asked whether it is whole", ours)
    table.add("`docker build`, `docker save`, then `ssh ctr images import` on all at the same time", theirs)
    ratio = statistics.median(their.wall / mine.wall for mine, their in zip(ours, theirs))
    table.put("times as fast", f"{ratio:.1f}", aim="5")
    table.put("`create` that builds it and sends all of it", f"{cold.wall:.2f} s")


class Shop:
    """The folder of an image, and a stack that runs it."""

    def __init__(self, one, machines):
        self.one, self.machines, self.name = one, machines, machines.prefix
        one.configure(machines.all, rack.artifacts(one.folder / "artifacts", one.binary.with_name("k3s")))
        with (one.folder / "orchestrator.toml").open("a") as file:
            file.write(SECTIONS.format(name=self.name))
        (one.folder / "shop.yaml").write_text(POD.format(name=self.name))
        self.folder = one.folder / "image"
        self.folder.mkdir()
        copies = [f"COPY layer{number} /" for number in range(LAYERS)]
        (self.folder / "Dockerfile").write_text("\n".join(["FROM scratch", *copies, "COPY program /", 'CMD ["/program"]']))
        for number in range(LAYERS):
            rack.random_file(self.folder / f"layer{number}", SIZE)
        self.change("first")

    def change(self, line):
        (self.folder / "program").write_text(f"echo {line}\n")

    def pieces(self):
        """How long the last run built and delivered."""
        ended = {e["step"]: e["elapsed_ms"] for e in self.one.events() if e["kind"] == "step_finished"}
        return Sample((ended["build-images"] + ended["deliver-images"]) / 1000, 0, "")

    def script(self):
        """The same as courses do it, on all machines at the same time."""
        begun, archive = time.perf_counter(), self.one.folder / "saved.tar"
        self.docker("build", "--quiet", "--tag", f"{self.name}:script", self.folder)
        self.docker("save", "--output", archive, f"{self.name}:script")
        with ThreadPoolExecutor(MACHINES) as pool:
            list(pool.map(lambda machine: self.send(machine, archive), self.machines.all))
        return Sample(time.perf_counter() - begun, 0, "")

    def send(self, machine, archive):
        command = ["ssh", "-F", self.one.file("config"), machine.address, "k3s ctr -n k8s.io images import -"]
        with archive.open("rb") as file:
            subprocess.run(command, stdin=file, check=True, stdout=subprocess.DEVNULL)

    def docker(self, *words):
        return run(["docker", *words], self.one.folder, self.one.environment)

    def forget(self):
        listed = self.docker("images", "--quiet", "--filter", f"reference={self.name}").output.split()
        self.docker("rmi", "--force", *sorted(set(listed)))

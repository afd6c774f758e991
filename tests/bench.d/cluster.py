"""A rehearsal cluster in a folder of its own."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from measure import run

CONFIG = """\
version = 1
[cluster]
name = "bench"
agents = {agents}
[machine]
cpus = 16
memory = "64GiB"
[rehearsal.faults]
{faults}
[stacks.bench]
manifests = "manifests"
"""


class Cluster:
    def __init__(self, folder, binary):
        self.folder = folder
        self.binary = binary
        # kubectl keeps its caches in HOME: this one begins with none, like a fresh computer.
        self.environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"]}

    def configure(self, agents=2, faults=""):
        (self.folder / "orchestrator.toml").write_text(CONFIG.format(agents=agents, faults=faults))

    @property
    def manifests(self):
        return self.folder / "manifests"

    def orchestrator(self, *words, codes=(0,)):
        return run([self.binary, *words], self.folder, self.environment, codes)

    def kubeconfig(self):
        return next(self.folder.glob(".orchestrator/*/kubeconfig"), None)

    def kubectl(self, *words):
        return run(["kubectl", "--kubeconfig", self.kubeconfig(), *words], self.folder, self.environment)

    def kubectl_command(self, *words):
        return ["kubectl", "--kubeconfig", str(self.kubeconfig()), *words]

    def process(self):
        """The rehearsal process, as /proc shows it."""
        endpoint = next(self.folder.glob(".orchestrator/*/rehearsal/endpoint.json"))
        return Path(f"/proc/{json.loads(endpoint.read_text())['pid']}")

    def processor_time(self):
        """What the rehearsal process has used so far, in seconds: unlike wall time it does not mind busy neighbours."""
        words = (self.process() / "stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def peak_memory(self):
        """The most memory the rehearsal process has had, in MB (VmHWM)."""
        status = (self.process() / "status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000


@contextmanager
def cluster(binary):
    """A cluster that is gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-bench-"))
    one = Cluster(folder, binary)
    (folder / "home").mkdir()
    try:
        yield one
    finally:
        if (folder / "orchestrator.toml").exists():
            one.orchestrator("destroy", "--yes", codes=range(256))
        shutil.rmtree(folder, ignore_errors=True)

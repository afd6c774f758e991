"""A cluster of machines of the rig, in a folder of its own."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

from measure import run

VERSION = "v1.33.5+k3s1"
CONFIG = """\
version = 1
[cluster]
name = "bench"
provider = "ssh"
[k3s]
version = "{version}"
artifacts = "{artifacts}"
"""
ARCH = "arm64" if platform.machine() == "aarch64" else "amd64"
HOST = '[[ssh.hosts]]\nname = "{name}"\nrole = "{role}"\naddress = "{address}"\nuser = "root"\n'


class Rack:
    def __init__(self, folder, binary):
        self.folder = folder
        self.binary = binary
        # The first machine's.
        self.address = ""
        self.environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"]}
        (folder / "home/.ssh").mkdir(parents=True, mode=0o700)
        self.identity = self.file("id_ed25519")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", self.identity], check=True)
        self.key = self.identity.with_suffix(".pub").read_text().strip()

    def reach(self, machines, port=None):
        """Knows their host keys, and reaches them through a port of this computer, if one is given."""
        known = [machine.known for machine in machines]
        config = f"IdentityFile {self.identity}\nUserKnownHostsFile {self.file('known_hosts')}\nUser root\n"
        if port:
            known = [f"[127.0.0.1]:{port} {line.partition(' ')[2]}" for line in known]
            config += f"HostName 127.0.0.1\nPort {port}\n"
        self.file("known_hosts").write_text("".join(f"{line}\n" for line in known))
        self.file("config").write_text(config)
        self.address = machines[0].address

    def file(self, name):
        return self.folder / "home/.ssh" / name

    def ssh(self, *words):
        """On the first machine, with OpenSSH."""
        return run(["ssh", "-F", self.file("config"), self.address, *words], self.folder, self.environment)

    def scp(self, source, path):
        command = ["scp", "-q", "-F", self.file("config"), source, f"{self.address}:{path}"]
        return run(command, self.folder, self.environment)

    def configure(self, machines, artifacts, version=VERSION, settings=""):
        """The first machine is the server; `settings` are those of `[k3s.config]`."""
        text = CONFIG.format(version=version, artifacts=artifacts) + f"[k3s.config]\n{settings}\n"
        for place, machine in enumerate(machines):
            role = "agent" if place else "server"
            text += HOST.format(name=machine.name, role=role, address=machine.address)
        (self.folder / "orchestrator.toml").write_text(text)

    def orchestrator(self, *words, codes=(0,)):
        return run([self.binary, *words], self.folder, self.environment, codes)

    def events(self):
        """Those of the last run."""
        log = max(self.folder.glob(".orchestrator/*/runs/*.jsonl"), key=lambda path: path.stat().st_mtime)
        return [json.loads(line) for line in log.read_text().splitlines()]


def slowest(events):
    """How long the slowest machine took, in seconds: its own pieces of work, and what all wait for together."""
    own, apart, steps = defaultdict(int), set(), {}
    for event in events:
        if event["kind"] == "work_finished":
            own[event["on"]] += event["elapsed_ms"]
            apart.add(event["step"])
        elif event["kind"] == "step_finished":
            steps[event["step"]] = event["elapsed_ms"]
    together = sum(elapsed for step, elapsed in steps.items() if step not in apart)
    return (max(own.values(), default=0) + together) / 1000


def piece(events, step):
    """How long a step took on its slowest machine, in seconds."""
    return max(e["elapsed_ms"] for e in events if e["kind"] == "work_finished" and e["step"] == step) / 1000


def artifacts(folder, binary):
    """Has the files of a release in a folder: the stand-in for K3s."""
    folder.mkdir()
    subprocess.run(["strip", "-o", folder / ("k3s-arm64" if ARCH == "arm64" else "k3s"), binary], check=True)
    sums(folder)
    return folder


def add_images(folder, size):
    """Has random bytes as the release's images."""
    path = random_file(folder / f"k3s-airgap-images-{ARCH}.tar", size)
    sums(folder)
    return path


def sums(folder):
    files = sorted(file for file in folder.iterdir() if file.name.startswith("k3s"))
    (folder / f"sha256sum-{ARCH}.txt").write_text("".join(f"{sha256(file)}  {file.name}\n" for file in files))


def random_file(path, size):
    with path.open("wb") as file:
        for _ in range(size // 1_000_000):
            file.write(os.urandom(1_000_000))
    return path


def sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def rack(binary):
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-bench-"))
    try:
        yield Rack(folder, binary)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Machines of the rig: containers with systemd as process 1 and an OpenSSH server (see tests/rig)."""

import os
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CAPABILITIES = (
    "NET_ADMIN SYS_ADMIN SYS_PTRACE SYS_MODULE SYS_RAWIO IPC_LOCK SYS_NICE SYS_TIME DAC_READ_SEARCH SYSLOG MAC_ADMIN "
    "LINUX_IMMUTABLE"
).split()
UNCONFINED = ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")
# Waits for the first boot, and prints the host key.
PREPARE = """
ip route add default dev eth0
until systemctl is-active --quiet ssh; do sleep 0.1; done
cat /etc/ssh/ssh_host_ed25519_key.pub
"""
# The stand-in for K3s is as slow as a real K3s, or takes a tenth of that.
PACE = """
for unit in k3s k3s-agent; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    printf '[Service]\\nEnvironment=K3S_STAND_IN_PACE={pace}\\n' >"/etc/systemd/system/$unit.service.d/pace.conf"
done
systemctl daemon-reload
"""
# What a real K3s needs of a container: where the kernel says which processes it ended, and a file system that
# containerd's overlays can lie on.
FOR_K3S = ("--device", "/dev/kmsg", "--volume", "/var/lib/rancher")
RESTARTS = "systemctl show --property InvocationID --value k3s k3s-agent"
# The kernel's limit, and how many a machine needs: without them its systemd does not start.
WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
WATCHERS_EACH = 6
# As many machines are started, or spoken to, at the same time.
PARALLEL = 8


@dataclass
class Machine:
    name: str
    address: str
    # Its line of known_hosts.
    known: str


class Machines:
    def __init__(self, engine, prefix, options):
        self.engine = engine
        self.prefix = prefix
        # More words for `docker run`.
        self.options = options
        self.all = []

    def docker(self, *words, text=""):
        command = ["docker", "--host", f"unix://{self.engine}/docker.sock", *words]
        ended = subprocess.run(command, input=text, capture_output=True, text=True)
        if ended.returncode != 0:
            raise SystemExit(f"`{' '.join(command)}` ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
        return ended.stdout

    def sh(self, name, script):
        return self.docker("exec", "--interactive", f"{self.prefix}-{name}", "sh", text=script)

    def each(self, script):
        """Runs a script as root on every machine and returns what each printed."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda machine: self.sh(machine.name, script), self.all))

    def pace(self, pace):
        self.each(PACE.format(pace=pace))

    def runs(self):
        """The names that systemd gave to the runs of K3s's units: others after a restart."""
        return self.each(RESTARTS)

    def network(self):
        """Makes a network without a way out; returns the first three bytes of its addresses."""
        for third in range(1, 16):
            subnet = f"10.231.{third}"
            command = ["docker", "--host", f"unix://{self.engine}/docker.sock", "network", "create", "--internal"]
            made = subprocess.run([*command, "--subnet", f"{subnet}.0/24", self.prefix], capture_output=True)
            if made.returncode == 0:
                return subnet
        raise SystemExit(f"no free network for {self.prefix}: {made.stderr.decode()}")

    def start(self, count, key):
        subnet = self.network()
        with ThreadPoolExecutor(PARALLEL) as pool:
            self.all = list(pool.map(lambda place: self.start_one(place, subnet, key), range(count)))

    def start_one(self, place, subnet, key):
        name, address = f"n{place + 1}", f"{subnet}.{10 + place}"
        words = ["--name", f"{self.prefix}-{name}", "--hostname", name, "--network", self.prefix, "--ip", address]
        words += ["--env", f"RIG_AUTHORIZED_KEY={key}", "--cgroupns=private"]
        words += [word for capability in CAPABILITIES for word in ("--cap-add", capability)]
        words += [word for option in UNCONFINED for word in ("--security-opt", option)]
        words += ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"]
        self.docker("run", "--detach", "--pull=never", *words, *self.options, "orchestrator-rig/machine:now")
        kind, host_key, *_ = self.sh(name, PREPARE).split()
        return Machine(name, address, f"{address} {kind} {host_key}")

    def remove(self):
        mine = self.docker("ps", "--all", "--quiet", "--filter", f"name=^{self.prefix}-").split()
        if mine:
            self.docker("rm", "--force", "--volumes", *mine)
        if self.docker("network", "ls", "--quiet", "--filter", f"name=^{self.prefix}$"):
            self.docker("network", "rm", self.prefix)


@contextmanager
def engine(repository):
    """The folder of a Docker engine: of `ORCHESTRATOR_RIG`, or one that ends afterwards."""
    shared = os.environ.get("ORCHESTRATOR_RIG")
    folder = Path(shared or repository / "target/rig").resolve()
    if not shared:
        subprocess.run([repository / "tests/rig/up", folder], check=True)
    try:
        yield folder
    finally:
        if not shared:
            subprocess.run([repository / "tests/rig/down", folder], check=True)


@contextmanager
def machines(repository, count, key, options=()):
    """Machines that are gone afterwards."""
    wanted = count * WATCHERS_EACH
    if int(WATCHERS.read_text()) < wanted:
        raise SystemExit(f"{count} machines need `sysctl -w fs.inotify.max_user_instances={wanted + 128}`")
    with engine(repository) as folder:
        all_of_them = Machines(folder, f"bench-{secrets.token_hex(4)}", options)
        try:
            all_of_them.start(count, key)
            yield all_of_them
        finally:
            all_of_them.remove()

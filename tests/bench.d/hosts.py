"""What is measured on machines of the rig."""

import statistics
from collections import defaultdict

import link
import rack
import rig
from measure import Sample

# How many machines a cluster has.
COUNTS = (1, 10, 50)
IMAGES = 100_000_000
# In seconds, one way.
DELAY = 0.01


def hosts(table, setup):
    """Clusters of stand-ins for K3s, with everything else real: machines, SSH, systemd."""
    with rack.rack(setup.binary) as one, rig.machines(setup.repository, max(COUNTS), one.key) as machines:
        one.reach(machines.all)
        stand_in = setup.binary.with_name("k3s")
        release = rack.artifacts(one.folder / "release", stand_in)
        rounds = max(1, setup.rounds // 2)
        machines.pace("fast")
        clusters(table, "K3s at a tenth of its time", one, machines, release, COUNTS, rounds)
        machines.pace("real")
        clusters(table, "K3s as slow as a real one", one, machines, release, COUNTS, 1)
        rack.add_images(release, IMAGES)
        clusters(table, "the same, with 100 MB of images", one, machines, release, COUNTS[:2], 1)


def clusters(table, what, one, machines, artifacts, counts, rounds):
    """Clusters of each size, in turn: so that what else the machine does falls on all of them."""
    table.put(f"**{what}**", "")
    created, again, slowest = defaultdict(list), defaultdict(list), defaultdict(list)
    for _ in range(rounds):
        for count in counts:
            one.configure(machines.all[:count], artifacts)
            created[count].append(one.orchestrator("create"))
            slowest[count].append(rack.slowest(one.events()))
            before = machines.runs()
            again[count] += [one.orchestrator("create") for _ in range(3)]
            if machines.runs() != before:
                raise SystemExit("`create` restarted K3s although nothing had to change")
            one.orchestrator("destroy", "--yes")
    for count in counts:
        table.add(f"`create` on {count}", created[count])
        ratio = middle(sample.wall / time for sample, time in zip(created[count], slowest[count]))
        alone = middle(sample.wall / first.wall for sample, first in zip(created[count], created[counts[0]]))
        table.put("over its slowest machine", f"{ratio:.2f}", aim="1.15" if count == 10 else "")
        table.put("over a cluster of one", f"{alone:.2f}")
        costs(table, created[count], count)
        table.add(f"`create` again on {count}", again[count], "3 s" if count == 50 else "")
        costs(table, again[count], count)


def costs(table, samples, count):
    memory = max(sample.memory for sample in samples)
    cpu = middle(sample.cpu for sample in samples) / count
    table.put("memory at its peak; processor time for each machine", f"{memory:.0f} MB", f"{cpu:.3f} s", aim="100 MB")


def middle(values):
    return statistics.median(list(values))


def upload(table, setup):
    """A new archive of images for a cluster of one machine, beside scp, in turn."""
    with rack.rack(setup.binary) as one, rig.machines(setup.repository, 1, one.key) as machines:
        folder = rack.artifacts(one.folder / "artifacts", setup.binary.with_name("k3s"))
        machines.pace("fast")
        one.configure(machines.all, folder)
        one.reach(machines.all)
        one.orchestrator("create")
        table.put("**100 MB to one machine**, on a connection that is open", "")
        pairs(table, "directly", one, folder, setup.rounds)
        with link.delayed(machines.all[0].address, 22, DELAY) as port:
            one.reach(machines.all, port)
            pairs(table, f"each byte {DELAY * 1000:.0f} ms later", one, folder, setup.rounds)
        one.reach(machines.all)
        one.orchestrator("destroy", "--yes")


def pairs(table, way, one, folder, rounds):
    ours, scps = [], []
    for turn in range(rounds):
        # Another size each time: an archive of the same size would be summed up to be compared.
        source = rack.add_images(folder, IMAGES + turn * 1_000_000)
        login = one.ssh("true")
        whole = one.scp(source, "/root/theirs")
        scps.append(Sample(whole.wall - login.wall, whole.cpu - login.cpu, ""))
        created = one.orchestrator("create")
        ours.append(Sample(rack.piece(one.events(), "install-k3s"), created.cpu, ""))
        one.ssh("rm /root/theirs")
    table.add(f"upload, {way}: summed up, and safe on the disk (CPU: of the whole `create`)", ours)
    table.add(f"`scp`, {way}, less `ssh true`", scps)
    speed = middle(theirs.wall / mine.wall for mine, theirs in zip(ours, scps))
    table.put("speed over that of scp", f"{speed:.2f}", aim="0.9")

"""Times processes and keeps the figures."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field


@dataclass
class Sample:
    wall: float
    cpu: float
    output: str
    # The most it has had, in MB.
    memory: float = 0


def run(command, folder, environment, codes=(0,)):
    """Runs a command to its end; fails loudly when it ends with an unexpected code."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        words = " ".join(str(word) for word in command)
        raise SystemExit(f"`{words}` ended with {process.returncode}:\n{output[-4000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, output, usage.ru_maxrss / 1000)


@dataclass
class Table:
    """The figures, in the order in which they were measured."""

    rows: list = field(default_factory=list)

    def add(self, what, samples, aim=""):
        wall = statistics.median(sample.wall for sample in samples)
        cpu = statistics.median(sample.cpu for sample in samples)
        spread = f"{min(sample.wall for sample in samples):.3f}-{max(sample.wall for sample in samples):.3f}"
        self.put(what, f"{wall:.3f} s", f"{cpu:.3f} s", spread if len(samples) > 1 else "", aim)

    def put(self, what, figure, cpu="", spread="", aim=""):
        self.rows.append((what, figure, cpu, spread, aim))

    def __str__(self):
        head = ["| what | median | CPU | range | aim |", "|---|---|---|---|---|"]
        return "\n".join(head + ["| " + " | ".join(row) + " |" for row in self.rows])

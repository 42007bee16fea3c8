"""What Linux says about processes and the machine: CPU time in nanoseconds, memory in bytes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_TICKS = os.sysconf("SC_CLK_TCK")
_SCHED_CLOCK = 2
"""The kernel's number of a process's CPU clock: user and system time of all its threads."""


def cpu_seconds(pid: int) -> float:
    """CPU time that process `pid` has used so far, children not counted; 0 when there is no such process.

    Read from the process's own clock, which counts nanoseconds; /proc/PID/stat counts ticks of 10 ms.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | _SCHED_CLOCK) / 1e9
    except OSError:
        return 0.0


def machine_cpu_seconds() -> float:
    """CPU time that the whole machine has used so far, the kernel's and the hypervisor's included, idle not."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / _TICKS


def pss_bytes(pid: int) -> int:
    """Memory of a process, pages shared with others counted in part (proportional set size)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"the kernel does not tell the memory of process {pid}")


def describe() -> dict[str, str]:
    """The machine in words."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = round(psutil.virtual_memory().total / 2**30)
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} cores, {model}",
        "memory": f"{memory} GiB",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
    }


@dataclass(frozen=True, slots=True)
class Meter:
    """CPU clocks at one moment: of named processes, of this one, of the machine, and the wall's."""

    processes: Mapping[str, float]
    own: float
    machine: float
    wall: float

    @classmethod
    def read(cls, pids: Mapping[str, int]) -> Meter:
        """The clocks now."""
        processes = {name: cpu_seconds(pid) for name, pid in pids.items()}
        return cls(processes, cpu_seconds(os.getpid()), machine_cpu_seconds(), time.monotonic())

    def since(self, before: Meter) -> Meter:
        """What was used between `before` and now."""
        used = {name: max(0.0, value - before.processes[name]) for name, value in self.processes.items()}
        return Meter(used, self.own - before.own, self.machine - before.machine, self.wall - before.wall)

    @property
    def total(self) -> float:
        """CPU seconds of all named processes."""
        return sum(self.processes.values())

"""One child process: started on its core, watched by pid, stopped by pid, its CPU time and memory read."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

READY_SECONDS = 20
STOP_SECONDS = 5
PR_SET_PDEATHSIG = 1
# Below Linux's default range of ephemeral ports, so that no outgoing connection takes a port that was picked.
PORTS = range(20000, 32000)

libc = ctypes.CDLL(None)


class Broken(Exception):
    """A child did not do what it was started for."""


class Child:
    """A process of ours and its descendants."""

    def __init__(self, name, argv, core, folder, env=None):
        """Starts `argv` on `core`; output goes to `folder`/`name`.log. The environment holds PATH and `env` alone."""
        self.name = name
        self.log = Path(folder) / f"{name}.log"
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(folder), **(env or {})}

        def prepare():
            os.sched_setaffinity(0, {core})
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder,
                preexec_fn=prepare,
            )
        self.pids = [self.process.pid]

    @property
    def pid(self):
        return self.process.pid

    def wait_for_port(self, port):
        """Waits until `port` accepts, then notes the descendants (nginx answers from a worker process)."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Broken(f"{self.name} ended with code {self.process.returncode}: {self.tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                self.pids = [self.pid, *descendants(self.pid)]
                return
            except OSError:
                time.sleep(0.02)
        raise Broken(f"{self.name} does not listen on port {port} after {READY_SECONDS} s: {self.tail()}")

    def check_alive(self):
        if self.process.poll() is not None:
            raise Broken(f"{self.name} ended with code {self.process.returncode}: {self.tail()}")

    def tail(self):
        return self.log.read_text(errors="replace")[-1500:].strip() or "(no output)"

    def cpu_ns(self):
        """CPU time of all threads, dead ones included, in ns: the scheduler's sum_exec_runtime, brought up to date."""
        return sum(cpu_clock_ns(pid) for pid in self.pids)

    def cpu_split_ticks(self):
        """(user, system) CPU time in clock ticks, sampled by the kernel: coarse, good for the proportion alone."""
        stats = [stat_fields(pid) for pid in self.pids]
        return sum(int(s[11]) for s in stats), sum(int(s[12]) for s in stats)

    def rss_bytes(self):
        return sum(status_bytes(pid, "VmRSS") for pid in self.pids)

    def stop(self):
        """Ends the process (politely, then not) and any descendant that outlived it."""
        born = {pid: start_time(pid) for pid in self.pids}
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        for pid in self.pids[1:]:
            # The start time tells our descendant from a stranger who was given its number since.
            if born[pid] is not None and start_time(pid) == born[pid]:
                os.kill(pid, signal.SIGKILL)


def cpu_clock_ns(pid):
    """The CPU clock of a process, as clock_getcpuclockid(3) names it.

    It is the sum that /proc/PID/task/*/schedstat shows, but those files miss threads that have ended and are brought up to
    date only at a tick.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def stat_fields(pid):
    """The fields of /proc/PID/stat after the name, which may itself hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def start_time(pid):
    try:
        return stat_fields(pid)[19]
    except OSError:
        return None


def status_bytes(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise Broken(f"/proc/{pid}/status has no {field}")


def descendants(root):
    """The pids below `root`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(stat_fields(entry.name)[1])
            except OSError:
                continue  # gone since
    below, frontier = [], [root]
    while frontier:
        parent = frontier.pop()
        children = [pid for pid, of in parents.items() if of == parent]
        below += children
        frontier += children
    return below


def free_port():
    """A TCP port of the loopback address that nobody listens on now."""
    for _ in range(200):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Broken(f"no free port between {PORTS.start} and {PORTS.stop}")

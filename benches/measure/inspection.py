"""Where the cycles go: CPU time by thread, hot symbols (perf), syscalls per request (strace), all under the load of one case."""

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from . import loads, machine, process, series

PERF_HERTZ = 1999
PERF_PERCENT_MIN = "0.7"
SYMBOLS_MAX = 45
THREADS_MAX = 12
SYSCALLS_MAX = 12
REPORT_SECONDS = 120


def inspect(case, proxy, setting, output):
    """Prints the three views; what the machine does not permit is said and left out. Exit code 1 when the proxy failed."""
    output.mkdir(parents=True, exist_ok=True)
    try:
        peer = series.start(proxy, case, setting)
    except process.Broken as error:
        print(f"profile: {error}", file=sys.stderr)
        return 1
    try:
        series.check(peer, case, setting)
        print(f"{proxy}, case {case.key}: {case.title}\n", flush=True)
        for view in (threads, symbols, syscalls):
            with under_load(case, peer, setting):
                view(case, peer, setting, output)
        return 0
    except process.Broken as error:
        print(f"profile: {error}", file=sys.stderr)
        return 1
    finally:
        peer.stop()


@contextmanager
def under_load(case, peer, setting):
    before = setting.upstream.served()
    load = loads.Load(case, peer, setting.files, setting.load_core)
    try:
        series.wait_for_load(case, setting, before)
        yield
        load.stop()
    finally:
        load.kill()


def threads(_case, peer, setting, _output):
    """CPU time per request of each thread."""
    begin, before = thread_times(peer), setting.upstream.served()
    time.sleep(setting.slice_seconds)
    end, requests = thread_times(peer), setting.upstream.served() - before - 1
    print(f"CPU time by thread ({requests} requests):")
    spent = sorted(((time_ns - begin.get(key, 0), key) for key, time_ns in end.items()), reverse=True)
    for time_ns, (thread, name) in spent[:THREADS_MAX]:
        print(f"  {time_ns / 1000 / max(1, requests):9.3f} µs/request  {name} ({thread})")
    print(flush=True)


def thread_times(peer):
    """CPU time in ns by (thread id, name)."""
    times = {}
    for pid in peer.child.pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                times[task.name, (task / "comm").read_text().strip()] = int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue  # ended since
    return times


def symbols(case, peer, setting, output):
    """Hot symbols by perf's cpu-clock event (no hardware counter needed)."""
    if not machine.has_tool("perf"):
        print("symbols: skipped, perf is not installed (apt-get install linux-perf)\n", flush=True)
        return
    data = output / f"perf-{peer.name}-{case.key}.data"
    pids = ",".join(str(pid) for pid in peer.child.pids)
    argv = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_HERTZ), "-o", str(data), "-p", pids]
    argv += ["--", "sleep", f"{setting.slice_seconds:g}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=REPORT_SECONDS, check=False)
    if done.returncode != 0:
        level = Path("/proc/sys/kernel/perf_event_paranoid")
        level = level.read_text().strip() if level.exists() else "absent"
        reason = " ".join(done.stderr.split())[:300]
        print(f"symbols: skipped, perf may not record (perf_event_paranoid {level}): {reason}\n", flush=True)
        return
    for title, sort in (("objects", "dso"), ("symbols", "dso,symbol")):
        argv = ["perf", "report", "--stdio", "-q", "-i", str(data), "--no-children", "--percent-limit", PERF_PERCENT_MIN]
        argv += ["--sort", sort]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=REPORT_SECONDS, check=False)
        rows = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
        print(f"{title} (share of samples):")
        print("\n".join(f"  {line}" for line in rows[:SYMBOLS_MAX]), flush=True)
    print(f"more: perf report -i {data}\n", flush=True)


def syscalls(_case, peer, setting, output):
    """Syscalls per request. The traced proxy is many times slower, so it batches differently: a hint, not a measurement."""
    if not machine.has_tool("strace"):
        print("syscalls: skipped, strace is not installed (apt-get install strace)\n", flush=True)
        return
    counts = output / f"strace-{peer.name}.txt"
    pids = [argument for pid in peer.child.pids for argument in ("-p", str(pid))]
    tracer = subprocess.Popen(
        ["strace", "-c", "-f", "-q", "-o", str(counts), *pids], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until_traced(peer, tracer)
        before = setting.upstream.served()
        time.sleep(setting.slice_seconds)
        requests = setting.upstream.served() - before - 1
        tracer.send_signal(signal.SIGINT)
        _, error = tracer.communicate(timeout=20)
    finally:
        if tracer.poll() is None:
            tracer.kill()
            tracer.communicate()
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", counts.read_text(), re.MULTILINE)
    rows = [(int(calls), name) for calls, name in rows if name != "total"]
    if not rows:
        print(f"syscalls: skipped, strace saw none: {' '.join(error.split())[:300]}\n", flush=True)
        return
    total = sum(calls for calls, _ in rows)
    print(f"syscalls per request ({requests} requests under strace): {total / max(1, requests):.3f}")
    for calls, name in sorted(rows, reverse=True)[:SYSCALLS_MAX]:
        print(f"  {calls / max(1, requests):9.4f}  {name}")
    print(flush=True)


def wait_until_traced(peer, tracer):
    """Waits until every thread of the proxy has a tracer."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and tracer.poll() is None:
        if all(traced(task) for pid in peer.child.pids for task in Path(f"/proc/{pid}/task").iterdir()):
            return
        time.sleep(0.02)


def traced(task):
    try:
        return "TracerPid:\t0\n" not in (task / "status").read_text()
    except OSError:
        return True  # ended since

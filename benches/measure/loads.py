"""Load generators: started on the load's core, ended by SIGINT, then read for latencies and errors."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

from . import machine, process

# A generator that nobody ends ends itself.
LIFE_SECONDS = 60
STOP_SECONDS = 15
MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


@dataclass(frozen=True)
class Latency:
    p50_us: float
    p99_us: float


class Load:
    """A generator at work on one proxy."""

    def __init__(self, case, peer, files, core):
        self.kind = case.load
        self.log = files.folder / f"h2load-{peer.name}.tsv"
        self.log.unlink(missing_ok=True)
        if case.load == "h2load":
            argv = h2load(case, peer, self.log)
        else:
            argv = wrk(case, peer) if case.load == "wrk" else connect(case, peer)
        self.process = spawn(argv, files, core, stdin=subprocess.DEVNULL)

    def stop(self):
        """Ends the generator and returns the latencies; any failed request is an error."""
        self.process.send_signal(signal.SIGINT)
        try:
            out, err = self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise process.Broken(f"the load generator did not end within {STOP_SECONDS} s") from None
        if self.kind == "h2load":
            return read_h2load(self.log, self.process.returncode, out, err)
        return read_wrk(out, err) if self.kind == "wrk" else read_connect(out, err)

    def kill(self):
        """Ends the generator whatever it does; for the way out."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def spawn(argv, files, core, stdin):
    def prepare():
        os.sched_setaffinity(0, {core})
        process.libc.prctl(process.PR_SET_PDEATHSIG, signal.SIGTERM)

    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "OPENSSL_CONF": str(files.client_limits),
        "PYTHONPATH": str(machine.ROOT / "benches"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=prepare,
        cwd=files.folder,
    )


def wrk(case, peer):
    argv = [machine.tool("wrk"), "-t1", f"-c{case.connections}", f"-d{LIFE_SECONDS}s", "--latency", "--timeout", "10s"]
    if peer.cookie:
        argv += ["-H", f"Cookie: {peer.cookie}"]
    return [*argv, peer.url + case.path]


def h2load(case, peer, log):
    """SIGINT kills it without a report, so every request is logged."""
    argv = [machine.tool("h2load"), "-t1", f"-c{case.connections}", f"-m{case.streams}", f"-D{LIFE_SECONDS}"]
    # Its own defaults would override what OPENSSL_CONF limits.
    argv += ["--npn-list=h2", "--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519", f"--log-file={log}"]
    if peer.cookie:
        argv += ["-H", f"cookie: {peer.cookie}"]
    return [*argv, peer.url + case.path]


def connect(case, peer):
    argv = [sys.executable, "-m", "measure.connect", str(peer.port), case.path, str(case.connections)]
    return [*argv, str(LIFE_SECONDS)]


def idle(case, peer, connections, files, core):
    """The generator of idle connections; see idle.py for what it says and when."""
    argv = [sys.executable, "-m", "measure.idle", str(peer.port), case.path, str(connections)]
    return spawn(argv, files, core, stdin=subprocess.PIPE)


def read_wrk(out, err):
    failed = re.search(r"(Socket errors: .*|Non-2xx or 3xx responses: .*)", out)
    if failed:
        raise process.Broken(f"wrk saw failures: {failed.group(1)}")
    p50, p99 = (re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", out, re.MULTILINE) for percent in (50, 99))
    if not p50 or not p99:
        raise process.Broken(f"wrk said nothing of latency: {(out + err)[-500:]}")
    return Latency(*(float(found.group(1)) * MICROSECONDS[found.group(2)] for found in (p50, p99)))


def read_h2load(log, code, out, err):
    """The log's columns: when the request began, its status (-1: the stream failed), microseconds until its end."""
    if code != -signal.SIGINT:
        raise process.Broken(f"h2load ended by itself with {code}: {(out + err)[-500:]}")
    rows = [line.split("\t") for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    failed = [row[1] for row in rows if row[1] != "200"]
    if failed or not rows:
        raise process.Broken(f"h2load: {len(failed)} of {len(rows)} requests failed, statuses {sorted(set(failed))}")
    taken = sorted(int(row[2]) for row in rows)
    return Latency(taken[len(taken) // 2], taken[len(taken) * 99 // 100])


def read_connect(out, err):
    try:
        said = json.loads(out)
    except ValueError:
        raise process.Broken(f"the connection generator failed: {(out + err)[-800:]}") from None
    if said["failed"]:
        raise process.Broken(f"{said['failed']} connections failed, the first with: {said['failure']}")
    return Latency(said["p50_us"], said["p99_us"])


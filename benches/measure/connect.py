"""A generator of connections: each worker opens one, does a full handshake, asks once, reads to the end, closes, again.

`python3 -m measure.connect PORT PATH WORKERS SECONDS` runs until SIGINT (or SECONDS) and prints one line of JSON. Workers are
processes, because threads of one interpreter would wait for each other.
"""

import ctypes
import json
import os
import signal
import struct
import sys
import time

from . import client

PR_SET_PDEATHSIG = 1
FAILURES_MAX = 20


class Halt:
    """Set by a signal."""

    asked = False

    @classmethod
    def ask(cls, *_):
        cls.asked = True


def visit(tls, port, path):
    """One connection with one request; the server closes it after its answer."""
    with client.opened(tls, port) as link:
        link.sendall(client.request(port, path, "close"))
        client.read_answer(link)
        if link.recv(1) != b"":
            raise ConnectionError("more bytes than the answer's length says")


def work(port, path, deadline):
    """Visits until told to halt. Returns the latencies in µs, the number of failures and the first one."""
    tls = client.context()
    latencies, failed, failure = [], 0, None
    while not Halt.asked and time.monotonic() < deadline and failed < FAILURES_MAX:
        start = time.perf_counter_ns()
        try:
            visit(tls, port, path)
            latencies.append((time.perf_counter_ns() - start) / 1000)
        except OSError as error:
            failed += 1
            failure = failure or f"{type(error).__name__}: {error}"
    return latencies, failed, failure


def spawn(port, path, deadline):
    """A worker: its pid and the pipe that it will write its result to."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    # SIGINT from a terminal reaches every process of the group; SIGTERM comes from the parent.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.close(reader)
    try:
        latencies, failed, failure = work(port, path, deadline)
        text = (failure or "").encode()[:500]
        with os.fdopen(writer, "wb") as out:
            out.write(struct.pack("<II", failed, len(text)) + text + struct.pack(f"<{len(latencies)}d", *latencies))
    finally:
        os._exit(0)


def collect(reader):
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    if len(data) < 8:
        return [], 1, "a worker ended without a result"
    failed, length = struct.unpack_from("<II", data)
    rest = data[8 + length :]
    return list(struct.unpack(f"<{len(rest) // 8}d", rest)), failed, data[8 : 8 + length].decode(errors="replace")


def main(port, path, workers, seconds):
    signal.signal(signal.SIGINT, Halt.ask)
    signal.signal(signal.SIGTERM, Halt.ask)
    deadline = time.monotonic() + seconds
    crew = [spawn(port, path, deadline) for _ in range(workers)]
    while not Halt.asked and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid, _ in crew:
        os.kill(pid, signal.SIGTERM)
    latencies, failed, failure = [], 0, ""
    for pid, reader in crew:
        mine, fails, text = collect(reader)
        os.waitpid(pid, 0)
        latencies += mine
        failed += fails
        failure = failure or text
    latencies.sort()
    if not latencies:
        failed, failure = failed or 1, failure or "no connection was completed"
    at = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))] if latencies else 0.0  # noqa: E731
    said = {"connections": len(latencies), "failed": failed, "failure": failure}
    print(json.dumps(said | {"p50_us": at(0.50), "p99_us": at(0.99)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

"""One case measured: all proxies up at once, slices interleaved, every failure told and none averaged in."""

import http.client
import os
import ssl
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from . import idle, loads, material, peers, process

SETTLE_SECONDS = 0.2
START_SECONDS = 15
STABLE_SECONDS = 5
# Fewer requests than this say nothing; on a busy machine a slice is stretched, this many times at most.
REQUESTS_MIN = 100
STRETCH_MAX = 5
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
EXPECTED_TLS = ("TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519")


@dataclass(frozen=True)
class Setting:
    """What is the same for every case of a run."""

    files: material.Material
    upstream: object
    proxies: tuple
    vallum: str
    proxy_core: int
    load_core: int
    repetitions: int
    slice_seconds: float
    idle_connections: int


@dataclass(frozen=True)
class Slice:
    """One proxy for one second or so."""

    requests: int
    seconds: float
    cpu_us: float
    # Share of the CPU time that was spent in user space (sampled, coarse).
    user_share: float
    # Share of the proxy's core that the proxy used, and that others used beside it.
    core: float
    others: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class Reading:
    """All counters at one moment."""

    time: float
    cpu_ns: int
    served: int
    user: int
    system: int
    busy_ticks: int


def measure(case, setting):
    """Slices by proxy (or bytes per idle connection by proxy), and errors by proxy."""
    errors = {}
    with ExitStack() as cleanup:
        up = []
        for name in setting.proxies:
            try:
                peer = start(name, case, setting)
                cleanup.callback(peer.stop)
                up.append(peer)
            except process.Broken as error:
                errors[name] = str(error)
        cookie = next((peer.cookie for peer in up if peer.cookie), None)
        for peer in list(up):
            peer.cookie = cookie  # the same bytes for everybody
            guarded(errors, up, peer, lambda peer=peer: check(peer, case, setting))
        results = measure_idle(case, setting, up, errors) if case.load == "idle" else interleave(case, setting, up, errors)
    return results, errors


def start(name, case, setting):
    return peers.start(name, case, setting.files, setting.upstream.port, setting.proxy_core, setting.vallum)


def guarded(errors, up, peer, action):
    """Runs `action`; a proxy that fails is out of the case and its error is kept."""
    try:
        return action()
    except (process.Broken, OSError, http.client.HTTPException) as error:
        errors[peer.name] = f"{error}" or type(error).__name__
        up.remove(peer)
        return None


def interleave(case, setting, up, errors):
    """Round after round, every proxy once in each, the order turned by one each time. The first round warms up."""
    slices = {peer.name: [] for peer in up}
    for repetition in range(setting.repetitions + 1):
        turn = repetition % max(1, len(up))
        for peer in up[turn:] + up[:turn]:
            one = guarded(errors, up, peer, lambda peer=peer: measure_slice(case, setting, peer))
            if repetition and one:
                slices[peer.name].append(asdict(one) | {"repetition": repetition})
    return {name: found for name, found in slices.items() if found and name not in errors}


def measure_slice(case, setting, peer):
    before = setting.upstream.served()
    load = loads.Load(case, peer, setting.files, setting.load_core)
    try:
        wait_for_load(case, setting, before)
        begin = read(peer, setting)
        for _ in range(STRETCH_MAX):
            time.sleep(setting.slice_seconds)
            end = read(peer, setting)
            if end.served - begin.served >= REQUESTS_MIN:
                break
        latency = load.stop()
    finally:
        load.kill()
    peer.child.check_alive()
    return between(begin, end, latency)


def wait_for_load(case, setting, before):
    """Waits until the connections are there (each stream has had an answer), so that their set-up is not in the slice."""
    deadline = time.monotonic() + START_SECONDS
    while setting.upstream.served() < before + 2 * case.connections * case.streams:
        if time.monotonic() > deadline:
            raise process.Broken(f"the load did not get going within {START_SECONDS} s")
        time.sleep(0.02)
    time.sleep(SETTLE_SECONDS)


def read(peer, setting):
    cpu, now = peer.child.cpu_ns(), time.monotonic()
    served = setting.upstream.served()
    return Reading(now, cpu, served, *peer.child.cpu_split_ticks(), busy_ticks(setting.proxy_core))


def busy_ticks(core):
    """Ticks during which `core` did anything (user, nice, system, irq, softirq, steal)."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            return sum(int(fields[at]) for at in (0, 1, 2, 5, 6, 7))
    raise process.Broken(f"/proc/stat knows no core {core}")


def between(begin, end, latency):
    seconds = end.time - begin.time
    # The questions after the first are counted as well: one, or a few in a slice that was stretched.
    requests = end.served - begin.served - 1
    if requests < REQUESTS_MIN - 1:
        raise process.Broken(f"{requests} requests were answered in {seconds:.1f} s, too few to say anything")
    cpu = (end.cpu_ns - begin.cpu_ns) / 1e9
    user, system = end.user - begin.user, end.system - begin.system
    core = cpu / seconds
    busy = (end.busy_ticks - begin.busy_ticks) / TICKS_A_SECOND / seconds
    return Slice(
        requests=requests, seconds=seconds, cpu_us=cpu * 1e6 / requests, user_share=user / max(1, user + system),
        core=core, others=max(0.0, busy - core), p50_us=latency.p50_us, p99_us=latency.p99_us,
    )


def measure_idle(case, setting, up, errors):
    """Growth of resident memory per connection, in KiB, one proxy after the other."""
    results = {}
    for peer in list(up):
        grown = guarded(errors, up, peer, lambda peer=peer: idle_bytes(case, setting, peer))
        if grown is not None:
            results[peer.name] = {"connections": setting.idle_connections, "kib": grown / 1024}
    return results


def idle_bytes(case, setting, peer):
    generator = loads.idle(case, peer, setting.idle_connections, setting.files, setting.load_core)
    try:
        expect(generator, "warm")
        before = stable_rss(peer)
        generator.stdin.write("go\n")
        generator.stdin.flush()
        expect(generator, "full")
        return (stable_rss(peer) - before) / setting.idle_connections
    finally:
        if generator.poll() is None:
            generator.kill()
        generator.communicate()


def expect(generator, word):
    if generator.stdout.readline().strip() != word:
        raise process.Broken(f"the idle connections failed: {generator.stderr.read()[-500:]}")


def stable_rss(peer):
    """Resident memory once it stands still."""
    deadline = time.monotonic() + STABLE_SECONDS
    seen = [peer.child.rss_bytes()]
    while time.monotonic() < deadline:
        time.sleep(0.1)
        seen.append(peer.child.rss_bytes())
        if len(seen) >= 4 and len(set(seen[-4:])) == 1:
            break
    return seen[-1]


def check(peer, case, setting):
    """The proxy does what the case is about: the right answer, the right TLS, the assertion for those signed in alone."""
    status, body = ask(peer, case, case.path, peer.cookie)
    expected = material.LARGE_BYTES if case.path == "/large" else material.SMALL_BYTES
    if status != 200 or len(body) != expected:
        raise process.Broken(f"expected 200 with {expected} bytes for {case.path}, got {status} with {len(body)}")
    expected = (*EXPECTED_TLS, case.protocol)
    if case.tls and (agreed := material.negotiated(setting.files, peer.port, case.protocol)) != expected:
        raise process.Broken(f"expected {expected}, negotiated {agreed}")
    if case.session and peer.name == "vallum":
        check_session(peer, case)


def check_session(peer, case):
    _, body = ask(peer, case, "/probe", peer.cookie)
    assertion = body.decode(errors="replace").partition("assertion=")[2].partition(" ")[0]
    if assertion.count(".") != 2:
        raise process.Broken(f"the upstream saw no assertion: {body[:200]!r}")
    if b"_pomerium=" in body:
        raise process.Broken("the upstream saw the session cookie")
    status, _ = ask(peer, case, "/probe", None)
    if status == 200:
        raise process.Broken("the protected route answers without a session")


def ask(peer, case, path, cookie):
    if case.tls:
        trust_all = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust_all.check_hostname = False
        trust_all.verify_mode = ssl.CERT_NONE
        link = http.client.HTTPSConnection("localhost", peer.port, timeout=10, context=trust_all)
    else:
        link = http.client.HTTPConnection("localhost", peer.port, timeout=10)
    try:
        link.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def idle_connections_max():
    """How many connections the generator and a proxy can hold at once."""
    return peers.connections_max() - idle.WARM - 100

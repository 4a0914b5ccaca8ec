"""The shipped disk boots, serves behind HAProxy, lets people sign in, opens no other port, keeps within its memory, and powers down."""

import json

import ports
import screen
from builder import say
from stage import APP, BUDGET, Stage, expect, scrape
from visitor import Answer, Visitor
from vm import Machine

POWER_DOWN_SECONDS_MAX = 120
# Seconds for things to come up that a person would wait for, once the machine answers.
SETTLE_SECONDS = 90
# Clients, and Prometheus.
PORTS_OPEN = [443, 9090]


def run(stage: Stage) -> None:
    with stage.machine("first boot") as machine:
        ports.lay_cable()
        machine.cable = (ports.CABLE, ports.MAC)
        machine.credential("network.network.05-cable", ports.NETWORK)
        machine.start()
        metrics = machine.wait("the metrics answer", scrape, BUDGET["time"]["boot_max"])
        say.note(f"power-on to first answer: {machine.seconds():.0f} s")
        expect("vallum_config" in metrics, "a scrape of :9090 gives metrics")
        stage.peers.haproxy()
        page = machine.wait("HAProxy has found the machine", lambda: through_haproxy(stage), machine.seconds() + SETTLE_SECONDS)
        expect(page.status == 200, "HTTPS through HAProxy with PROXY v2 answers /ping", page.status)
        sign_in(stage)
        scan()
        check_console(machine.console())
        check_picture(machine.wait("the console says that it runs", lambda: running(machine), machine.seconds() + SETTLE_SECONDS))
        used, allowed = machine.memory_in_use(SETTLE_SECONDS), BUDGET["memory"]["idle_max"]
        expect(used <= allowed, f"{say.size(used)} of memory in use, budget.toml allows {say.size(allowed)}")
        took = machine.power_down(POWER_DOWN_SECONDS_MAX)
        say.note(f"powered down in {took:.0f} s")
        expect("reboot: Power down" in machine.console(), "power-down is clean", machine.console()[-600:])


def through_haproxy(stage: Stage) -> Answer | None:
    try:
        return stage.visitor.once("GET", f"https://{APP}/ping")
    except OSError:
        return None


def sign_in(stage: Stage) -> None:
    """Two people sign in at the provider: one is allowed, one is not."""
    refused = stage.visitor.once("GET", f"https://{APP}/hello", accept="application/json")
    expect(refused.status == 401, "a client without a session gets 401", refused.status)
    chooser = stage.visitor.get(f"https://{APP}/hello")
    expect(chooser.url.startswith(stage.issuer), "a browser is sent to the provider", chooser.url)
    page = stage.visitor.press(chooser, "login", "alice")
    expect(page.status == 200 and page.url == f"https://{APP}/hello", "alice signs in and arrives", f"{page.status} {page.url}")
    seen = json.loads(page.body)["headers"]
    expect(seen.get("x-pomerium-claim-email") == "alice@example.com", "the upstream is told who she is", seen)
    expect("x-pomerium-jwt-assertion" in seen, "by a signed assertion", seen)
    stranger = Visitor(stage.authority.certificate)
    page = stranger.press(stranger.get(f"https://{APP}/hello"), "login", "mallory")
    expect(page.status == 403, "mallory signs in and is refused", page.status)
    expect(seen.get("x-forwarded-for") == "127.0.0.1", "and the client's address is that of the PROXY header", seen)


def scan() -> None:
    """Nothing listens but what image/README.md names; the cable's address came by a credential."""
    for address in (ports.THERE, ports.THERE_6):
        accepted, silent = ports.open_tcp(address)
        expect(accepted == PORTS_OPEN, f"of all TCP ports of {address}, {PORTS_OPEN} answer and no other", accepted)
        expect(not silent, "and every other one is refused", f"{len(silent)} gave no answer: {silent[:20]}")
        answered = ports.open_udp(address)
        expect(not answered, f"no UDP service answers at {address}", answered)


def check_console(console: str) -> None:
    failed = [line for line in console.splitlines() if "Failed to start" in line or "Failed with result" in line or "FAILED" in line]
    expect(len(failed) <= BUDGET["security"]["failed_units_max"], "no unit failed", "\n".join(failed))


def running(machine: Machine) -> dict[str, str] | None:
    picture = screen.last(machine.console())
    return picture if picture.get("health") == "RUNNING" else None


def check_picture(picture: dict[str, str]) -> None:
    """What a person in front of the machine sees."""
    expect(picture["Vallum"].startswith("image vallum ") and picture["Vallum"].endswith(", slot A"), "the console shows image and slot", picture)
    expect("10.0.2.15" in picture["address"] and ":443" in picture["listens"], "addresses", picture)
    expect(picture["error"] == "none" and picture["version"], "version and last error", picture)

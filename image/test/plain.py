"""The least configuration: one route that answers with a word, by which a scene knows which configuration serves."""

import base64
import http.client
import socket
from collections.abc import Callable

from stage import APP, BUDGET, Stage, expect, scrape
from vm import Machine

# The host's side of FORWARDS.
PORT = 8443
TRY_SECONDS = 5
CONFIGURATION = """\
address: :443
metrics_address: :9090
certificate: {certificate}
certificate_key: {key}
shared_secret: dmFsbHVtLWltYWdlLXRlc3Qtc2hhcmVkLXNlY3JldC0=
cookie_secret: dmFsbHVtLWltYWdlLXRlc3QtY29va2llLXNlY3JldC0=
routes:
  - from: https://{app}
    response: {{ status: 200, body: "{word}" }}
    allow_public_unauthenticated_access: true
"""


def configuration(stage: Stage, word: str, more: str = "") -> str:
    """A whole configuration in one file, certificate and all; `more` are further lines of YAML."""
    certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in stage.leaf)
    return CONFIGURATION.format(certificate=certificate, key=key, app=APP, word=word) + more


def says(stage: Stage) -> str | None:
    """What the machine answers to a client that checks its certificate; None when nothing answers."""
    try:
        with socket.create_connection(("127.0.0.1", PORT), TRY_SECONDS) as plain, stage.visitor.tls.wrap_socket(plain, server_hostname=APP) as line:
            connection = http.client.HTTPConnection(APP)
            connection.sock = line
            connection.request("GET", "/", headers={"Connection": "close"})
            return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None


def serves(stage: Stage, machine: Machine, word: str) -> None:
    """Waits for an answer, and expects `word`."""
    seen = machine.wait(f"it serves {word!r}", lambda: says(stage), machine.seconds() + BUDGET["time"]["boot_max"])
    expect(seen == word, f"{machine.name}: {word!r} is served after {machine.seconds():.0f} s", seen)


def metric(name: str) -> float | None:
    """The value of a metric without labels, of the first scrape that succeeds at once."""
    lines = (line.split() for line in (scrape() or "").splitlines())
    return next((float(words[1]) for words in lines if words and words[0] == name), None)


def waits(machine: Machine, what: str, seen: Callable[[], object], seconds: float) -> object:
    """Waits at most `seconds` from now."""
    return machine.wait(what, seen, machine.seconds() + seconds)

"""Without a configuration the machine serves a set-up page; the token stands on the serial console, and what is given through it serves, also after a restart."""

import hashlib
import http.client
import re
import socket
import ssl
from urllib.parse import urlencode

import plain
from stage import BUDGET, Stage, expect

INVITATION = re.compile(r"open https://(\S+)/ with the token (\S+) \(certificate SHA-256 (\S+)\)")
SETTLE_SECONDS = 90
POWER_DOWN_SECONDS_MAX = 120


def run(stage: Stage) -> None:
    with stage.bare_machine("nothing given") as machine:
        machine.disks.append(stage.disk())
        machine.start()
        invitation = machine.wait("the console shows a token", lambda: INVITATION.search(machine.console()), BUDGET["time"]["boot_max"])
        address, token, fingerprint = invitation.groups()
        expect(address.startswith("10.0.2.15"), "the console shows the address on the LAN", address)
        status, page, shown = ask()
        expect(status == 200 and "no configuration yet" in page, "the page answers", status)
        expect(plain_hex(fingerprint) == shown, "with the certificate whose fingerprint the console shows", f"{fingerprint} {shown}")
        status, page, _ = ask({"token": "not-the-token", "configuration": "routes: []"})
        expect(status == 403, "a wrong token is refused", status)
        status, page, _ = ask({"token": token, "configuration": "routes: [\n"})
        expect(status == 422 and "not valid" in page, "a bad configuration is reported and not stored", status)
        status, page, _ = ask({"token": token, "configuration": plain.configuration(stage, "from the page")})
        expect(status == 200 and "Stored" in page, "a good one is stored", page[-600:])
        plain.serves(stage, machine, "from the page")
        machine.power_down(POWER_DOWN_SECONDS_MAX)
        machine.start()
        plain.serves(stage, machine, "from the page")
        expect(not INVITATION.search(machine.console()), "after a restart no set-up is offered")


def ask(form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """One request to the page; returns status, body and the SHA-256 of the certificate that was shown."""
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", plain.PORT), SETTLE_SECONDS) as line, anyone.wrap_socket(line) as secured:
        connection = http.client.HTTPConnection("setup")
        connection.sock = secured
        fields = {"Connection": "close", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST" if form else "GET", "/", urlencode(form) if form else None, fields)
        answer = connection.getresponse()
        seen = hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest()
        return answer.status, answer.read().decode(), seen


def plain_hex(fingerprint: str) -> str:
    return fingerprint.replace(":", "").lower()

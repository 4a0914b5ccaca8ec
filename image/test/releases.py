"""Versions of the image for the scenes about updates: built once, signed, and served over HTTPS."""

import functools
import hashlib
import http.server
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

from builder import say

import stage as stages
from peers import HOST
from remote import program
from stage import Stage

FIRST, SECOND, BROKEN = "1.0.0", "1.1.0", "1.2.0"
SIGN = Path(__file__).resolve().parents[1] / "sign"
# A program that is there and of no use: what a bad release looks like to the machine.
USELESS = "int main(void) { return 1; }\n"


class Releases:
    """Disk of the first version, signed folders of the others; kept beside the build's tools for the next scene."""

    def __init__(self, stage: Stage):
        self.stage, work = stage, stage.tools.root.parent
        self.work, self.folder = work, work / "releases"
        stamp, wanted = self.folder / "stamp", hashlib.sha256((stage.out / "SHA256SUMS").read_bytes()).hexdigest()
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            self._make()
            stamp.write_text(wanted)

    def disk(self) -> str:
        """A fresh copy of the first version's disk, made larger as an operator would."""
        raw = self.stage.directory / "disk.raw"
        subprocess.run(["cp", "--sparse=always", self.folder / f"{FIRST}/vallum-{FIRST}.raw", raw], check=True)
        with raw.open("r+b") as file:
            file.truncate(stages.DISK_BYTES)
        return raw.name

    def copy(self, version: str, name: str) -> Path:
        """A release's folder of the scene's own, to be served or spoilt."""
        into = self.stage.directory / name
        shutil.copytree(self.folder / f"release-{version}", into)
        return into

    def sign(self, *words: object) -> None:
        say.run([SIGN, *words], self.stage.log)

    def serve(self, folder: Path) -> str:
        """Serves a folder over HTTPS, with a certificate of the stage's authority; returns its URL as the machine sees it."""
        certificate, key = self.stage.authority.issue("releases", f"IP:{HOST}")
        terms = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        terms.load_cert_chain(certificate, key)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
        server.socket = terms.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"https://{HOST}:{server.server_port}"

    def _make(self) -> None:
        self.sign("keys", self.folder / "keys")
        useless, source = self.stage.directory / "useless", self.stage.directory / "useless.c"
        source.write_text(USELESS)
        say.run(["cc", "-static", "-o", useless, source], self.stage.log)
        good = program(self.stage)
        for version, binary, forms in ((FIRST, good, "raw"), (SECOND, good, "none"), (BROKEN, useless, "none")):
            out = self.folder / version
            words = ["--binary", binary, "--version", version, "--formats", forms, "--update-key", self.folder / "keys/update.pub"]
            stages.build("--drift", "--offline", "--work", self.work, "--out", out, *words)
            if version != FIRST:
                self.sign("release", self.folder / "keys/update.key", out, "--to", self.folder / f"release-{version}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

"""The operator's side: the very binary of the image, run here, asks the machine over mutual TLS."""

import subprocess
import tarfile
from pathlib import Path

from builder import say

from stage import APP, Stage
from vm import Machine

PORT_HERE, PORT_THERE = 8444, 8444
ANSWER_SECONDS_MAX = 60
PROGRAM = "usr/bin/vallum"


class Remote:
    """`vallum --host …` with a certificate that the machine believes; the stage's authority issued it."""

    # What a configuration says for it; the CA is a credential.
    lines = f"admin_client_ca_file: vallum.admin_ca\nadmin_address: :{PORT_THERE}\n"

    def __init__(self, stage: Stage):
        self.stage = stage
        self.certificate, self.key = stage.authority.issue("operator", "email:operator@vallum.test", "clientAuth")
        self.program = program(stage)

    def allow(self, machine: Machine) -> None:
        """Gives the machine the CA, and opens the port to it."""
        machine.credential("vallum.admin_ca", self.stage.authority.certificate.read_bytes())
        machine.forwards.append((PORT_HERE, PORT_THERE))

    def run(self, *words: str, seconds: float = ANSWER_SECONDS_MAX) -> str:
        """One verb; returns what it prints. Raises Failure when it ends with another code than 0."""
        done = subprocess.run(self._command(words), capture_output=True, text=True, timeout=seconds, check=False)
        if done.returncode != 0:
            raise say.Failure(f"vallum {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen:
        """One verb, not waited for; what it prints is of no interest."""
        return subprocess.Popen(self._command(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        identity = ["--cert", self.certificate, "--key", self.key, "--ca", self.stage.authority.certificate]
        command = [self.program, "--host", f"127.0.0.1:{PORT_HERE}", "--server-name", APP, *identity, *words]
        return [str(word) for word in command]


def program(stage: Stage) -> Path:
    """The image's own binary, taken out of it; it is static and runs here as well."""
    with tarfile.open(stage.output("vallum-*.rootfs.tar.xz")) as archive:
        member = archive.getmember(PROGRAM)
        member.name = "vallum"
        archive.extract(member, stage.directory, filter="data")
    return stage.directory / "vallum"

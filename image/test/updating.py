"""What the scenes about updates do with a machine."""

import json
import subprocess

import plain
from builder import say
from remote import Remote
from releases import Releases
from stage import BUDGET, Stage
from vm import Machine


class Updating:
    """A machine of the first version that may start again by itself, and its operator."""

    def __init__(self, stage: Stage):
        self.stage, self.releases, self.remote = stage, Releases(stage), Remote(stage)
        self.disk = self.releases.disk()

    def machine(self, name: str, word: str) -> Machine:
        machine = self.stage.bare_machine(name)
        machine.restarts = True
        machine.disks.append(self.disk)
        machine.credential("vallum.ca", self.stage.authority.certificate.read_bytes())
        self.remote.allow(machine)
        machine.credential("vallum.yaml", plain.configuration(self.stage, word, self.remote.lines))
        return machine

    def status(self) -> dict | None:
        """`vallum image status`; None while nobody answers."""
        try:
            return json.loads(self.remote.run("image", "status", "--json"))
        except (say.Failure, subprocess.TimeoutExpired, json.JSONDecodeError):
            return None

    def runs(self, machine: Machine, version: str, boots: int = 1) -> dict:
        """Waits until `version` runs and has proved itself; returns the status."""

        def seen() -> dict | None:
            status = self.status()
            return status if status and status["running"]["version"] == version and status["running"]["proven"] else None

        return plain.waits(machine, f"{version} runs and has proved itself", seen, boots * BUDGET["time"]["boot_max"])

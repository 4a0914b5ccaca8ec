"""The plug is pulled while the data partition is made, and then again and again while it is written to: every time the machine starts, and the last good configuration is whole."""

import subprocess
import threading

import plain
from builder import say
from checks import gpt
from remote import Remote
from stage import BUDGET, Stage, expect

# Pulled after so many reloads, each of which writes the last good configuration anew, with the next one under way.
RELOADS_BEFORE_CUT = (2, 7, 12)
RELOADS_SECONDS_MAX = 180
PARTITIONS_MADE_AT_FIRST = 5


def run(stage: Stage) -> None:
    remote, disk = Remote(stage), stage.disk()
    with boot(stage, remote, disk, "first start") as machine:
        machine.wait("the data partition is in the table", lambda: data_is_there(stage, disk), BUDGET["time"]["boot_max"])
        machine.power_cut()
        say.note(f"cut after {machine.seconds():.0f} s, when the data partition had come")
    for number, reloads in enumerate(RELOADS_BEFORE_CUT, 1):
        word = f"round {number}"
        with boot(stage, remote, disk, word) as machine:
            plain.serves(stage, machine, word)
            count = Count(remote)
            machine.wait(f"{reloads} reloads are done", lambda count=count, reloads=reloads: count.done >= reloads, machine.seconds() + RELOADS_SECONDS_MAX)
            machine.power_cut()
            say.note(f"cut during reload {count.end() + 1}")
            complaints = [line for line in machine.console().splitlines() if "EXT4-fs error" in line or "UNEXPECTED INCONSISTENCY" in line]
            expect(not complaints, f"{word}: the file system has no errors", complaints)
    with stage.bare_machine("rubbish at the end") as machine:
        machine.disks.append(disk)
        remote.allow(machine)
        machine.credential("vallum.yaml", "routes: [")
        machine.start()
        plain.serves(stage, machine, f"round {len(RELOADS_BEFORE_CUT)}")


def boot(stage: Stage, remote: Remote, disk: str, word: str):
    machine = stage.bare_machine(word)
    machine.disks.append(disk)
    remote.allow(machine)
    machine.credential("vallum.yaml", plain.configuration(stage, word, remote.lines))
    return machine.start()


def data_is_there(stage: Stage, disk: str) -> bool:
    try:
        return len(gpt.read(stage.directory / disk)) > PARTITIONS_MADE_AT_FIRST
    except say.Failure:
        # Looked at while it was written.
        return False


class Count:
    """Asks for reloads, one after the other, until the machine is gone; counts those that were adopted."""

    def __init__(self, remote: Remote):
        self.remote, self.done, self.stopped = remote, 0, False
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def end(self) -> int:
        self.stopped = True
        self.thread.join()
        return self.done

    def _ask(self) -> None:
        while not self.stopped:
            try:
                self.remote.run("reload")
                self.done += 1
            except (say.Failure, subprocess.TimeoutExpired):
                continue

"""A version whose program is of no use is tried three times; then the old one runs again, by itself, says so, and does not take the bad one again."""

import plain
from builder import say
from releases import BROKEN, FIRST
from stage import BUDGET, Stage, expect
from updating import Updating

UPGRADE_SECONDS_MAX = 600
TRIES = 3


def run(stage: Stage) -> None:
    updating = Updating(stage)
    url = updating.releases.serve(updating.releases.copy(BROKEN, "release"))
    with updating.machine("takes a bad version", "old and good") as machine:
        machine.start()
        plain.serves(stage, machine, "old and good")
        updating.runs(machine, FIRST)
        updating.remote.run("image", "upgrade", "--source", url, "--reboot", seconds=UPGRADE_SECONDS_MAX)
        machine.wait("the old version stops serving", lambda: plain.says(stage) is None, machine.seconds() + BUDGET["time"]["boot_max"])
        began = machine.seconds()
        plain.waits(machine, "the old version serves again", lambda: plain.says(stage), (TRIES + 1) * BUDGET["time"]["boot_max"])
        say.note(f"{machine.seconds() - began:.0f} s from the last answer of the old version to its next")
        status = updating.runs(machine, FIRST)
        bad = next((file for file in status["boot_files"] if file["version"] == BROKEN), None)
        expect(bad is not None and bad["tries_left"] == 0, f"{BROKEN} was tried {TRIES} times", status)
        expect(status["next"] == FIRST, f"{FIRST} is what starts next", status)
        expect((status["last_update"] or {}).get("error"), "the status says that the update failed", status)
        expect(plain.metric("vallum_image_update_failed") == 1, "so does the metric")
        try:
            said = updating.remote.run("image", "upgrade", "--source", url, seconds=UPGRADE_SECONDS_MAX)
        except say.Failure as failure:
            expect("--retry" in str(failure), "it is not taken again unless told", failure)
        else:
            raise say.Failure(f"a version that failed was taken again: {said}")

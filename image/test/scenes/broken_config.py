"""A configuration that is rubbish, has a bad value or names a certificate that is not there gives way to the last good one, and says so on console, log and metric."""

import plain
from stage import Stage, expect

IN_FORCE = "vallum_config_last_good_in_force"
SETTLE_SECONDS = 60


def run(stage: Stage) -> None:
    disk = stage.disk()
    boot(stage, disk, "good", plain.configuration(stage, "good"), "good")
    broken = {
        "rubbish": "routes: [\n\t{]: }} \x01",
        "bad value": plain.configuration(stage, "never", "cookie_expire: soon\n"),
        "no certificate": without_certificate(plain.configuration(stage, "never")),
    }
    for name, text in broken.items():
        console = boot(stage, disk, name, text, "good", resorted=True)
        expect("IS BAD; the LAST GOOD configuration is served instead" in console, f"{name}: the console says so")
    # A key that nobody knows is a warning, as in Pomerium.
    boot(stage, disk, "better", plain.configuration(stage, "better", "no_such_key: 1\n"), "better")


def boot(stage: Stage, disk: str, name: str, text: str, word: str, resorted: bool = False) -> str:
    """Boots with `text` as the configuration; expects `word`, and returns what the console said."""
    with stage.bare_machine(name) as machine:
        machine.disks.append(disk)
        machine.credential("vallum.yaml", text)
        machine.start()
        plain.serves(stage, machine, word)
        seen = plain.waits(machine, "the metrics answer", lambda: str(plain.metric(IN_FORCE)).replace("None", ""), SETTLE_SECONDS)
        expect(float(seen) == float(resorted), f"{name}: {IN_FORCE} is {seen}")
        console = machine.console()
        machine.power_cut()
    return console


def without_certificate(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(("certificate:", "certificate_key:"))]
    return "\n".join([*lines, "certificate_file: /nowhere/a.crt", "certificate_key_file: /nowhere/a.key", ""])

"""The command `pgo/record`: builds a Vallum that counts, puts it under every kind of load, keeps what it counted."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import cases, command, machine, peers, process, series, visits

PLACE = machine.ROOT / "benches/pgo"
KEYS = "a,b,c,d,e,f"
ROUNDS = 3
SECONDS = 1.0


def record():
    """`benches/pgo/record`. Exit code 0: the profile was written; 1: a load failed; 2: wrong usage or an unfit machine."""
    parser = argparse.ArgumentParser(prog="benches/pgo/record", description="Records the profile of release builds.")
    parser.add_argument("--cores", default="0,1", metavar="P,L", help="cores of the proxy and of the load; default 0,1")
    options = parser.parse_args()
    options.keep = options.without_vallum = False
    try:
        merge = merger()
        with command.workplace(keep=False) as folder:
            counts = folder / "counts"
            # Names of symbols differ between the machine's own form and the image's, so each has counts of its own.
            for name, builder in (("machine", machine.build_vallum), ("image", image_binary)):
                print(f"a vallum that counts, as for the {name} (minutes)", flush=True)
                # Cargo does not see that its wrapper does something else this time, nor afterwards.
                touch()
                binary = builder({"VALLUM_PGO": "record", "VALLUM_PGO_INTO": str(counts)})
                touch()
                exercise(options, folder, wrapped(binary, folder / f"vallum-{name}"))
            write(merge, counts)
    except process.Broken as error:
        print(f"pgo: {error}", file=sys.stderr)
        return 1
    except (machine.Unfit, command.TimeUp) as error:
        print(f"pgo: {error}", file=sys.stderr)
        return 2
    return 0


def merger():
    """llvm-profdata of the compiler in use."""
    sysroot = Path(output(["rustc", "--print", "sysroot"]))
    found = next(sysroot.glob("lib/rustlib/*/bin/llvm-profdata"), None)
    if found is None and shutil.which("rustup"):
        print("installing the component llvm-tools", flush=True)
        subprocess.run(["rustup", "component", "add", "llvm-tools"], check=False)
        found = next(sysroot.glob("lib/rustlib/*/bin/llvm-profdata"), None)
    if found is None:
        raise machine.Unfit(f"no llvm-profdata in {sysroot}: install rustup's component llvm-tools")
    return found


def output(argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, cwd=machine.ROOT).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise machine.Unfit(f"{' '.join(argv)}: {error}") from None


def image_binary(extra):
    """Built as the image's builder does."""
    sys.path.insert(0, str(machine.ROOT / "image"))
    from builder import binary, say

    try:
        return binary.build(machine.ROOT, extra)
    except say.Failure as failure:
        raise machine.Unfit(f"{failure}") from None


def touch():
    for source in ("src/lib.rs", "src/main.rs"):
        (machine.ROOT / source).touch()


def wrapped(binary, script):
    """Counts are written at the end, which the sandbox would not let happen."""
    script.write_text(f'#!/bin/sh\nVALLUM_SANDBOX=off exec "{binary}" "$@"\n')
    script.chmod(0o755)
    return script


def exercise(options, folder, vallum):
    options.binary = str(vallum)
    everywhere = os.sched_getaffinity(0)
    setting = command.set_up(options, folder, ("vallum",), ROUNDS, SECONDS, idle=0)
    try:
        for case in cases.chosen(KEYS):
            print(f"load {case.key}: {case.title}", flush=True)
            _, errors = series.measure(case, setting)
            if errors:
                raise process.Broken(f"case {case.key}: {errors}")
        for case in cases.chosen("a,b"):
            print(f"visits as in case {case.key}", flush=True)
            peer = peers.start("vallum", case, setting.files, setting.upstream.port, setting.proxy_core, setting.vallum)
            try:
                visits.visit(peer.port, case.tls)
            finally:
                peer.stop()
    finally:
        setting.upstream.stop()
        # The next build may use all cores.
        os.sched_setaffinity(0, everywhere)


def write(merge, counts):
    found = sorted(counts.glob("*.profraw"))
    if not found:
        raise machine.Unfit(f"nothing was counted: no file in {counts}")
    profile = PLACE / "vallum.profdata"
    # What never ran is left out; it is not known from what the compiler has not seen.
    argv = [str(merge), "merge", "--sparse", "-o", str(profile), *map(str, found)]
    if subprocess.run(argv, check=False).returncode != 0:
        raise machine.Unfit("llvm-profdata failed")
    (PLACE / "vallum.rustc").write_text(output(["rustc", "--version"]) + "\n")
    print(f"written: {profile} ({profile.stat().st_size // 1024} KiB) and vallum.rustc")

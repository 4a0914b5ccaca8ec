"""The two commands, `run` and `profile`: arguments, set-up, the bound on time, clean-up."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from . import cases, inspection, machine, material, series, table, upstream

# From the end of the build on.
FULL_SECONDS_MAX = 360
PROFILE_SECONDS_MAX = 240
REPETITIONS = 7
IDLE_CONNECTIONS = 3000
IDLE_CONNECTIONS_QUICK = 500


class TimeUp(Exception):
    """The run took longer than it may."""


def compare():
    """`benches/run`. Exit code 0: everything was measured; 1: something was not; 2: wrong usage or unfit machine."""
    try:
        options = compare_options()
        return run_cases(options)
    except (machine.Unfit, TimeUp) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def profile():
    """`benches/profile`; exit codes as above."""
    try:
        options = profile_options()
        with workplace(options.keep) as folder:
            setting = set_up(options, folder, (options.proxy,), repetitions=1, slice_seconds=options.seconds, idle=0)
            signal.alarm(PROFILE_SECONDS_MAX)
            try:
                return inspection.inspect(options.case, options.proxy, setting, machine.OUTPUT)
            finally:
                setting.upstream.stop()
    except (machine.Unfit, TimeUp) as error:
        print(f"profile: {error}", file=sys.stderr)
        return 2


def compare_options():
    parser = argparse.ArgumentParser(prog="benches/run", description="Compares Vallum with HAProxy and nginx.")
    common(parser)
    parser.add_argument("--quick", action="store_true", help="one short repetition: shows that it works, measures little")
    parser.add_argument("--case", default="", metavar="A,B", help="only these cases; default: all")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help=f"rounds after the warm-up; default {REPETITIONS}")
    parser.add_argument("--without-vallum", action="store_true", help="the peers alone")
    options = parser.parse_args()
    try:
        options.cases = cases.chosen(options.case)
    except ValueError as error:
        parser.error(str(error))
    if not 1 <= options.repetitions <= 9:
        parser.error(f"--repetitions {options.repetitions}: expected 1 to 9")
    return options


def profile_options():
    parser = argparse.ArgumentParser(prog="benches/profile", description="Shows where the cycles and syscalls go.")
    common(parser)
    parser.add_argument("--case", default="b", help="which case; default b")
    parser.add_argument("--proxy", default="vallum", choices=("vallum", "haproxy", "nginx"))
    parser.add_argument("--seconds", type=float, default=4.0, help="per instrument; default 4")
    options = parser.parse_args()
    options.without_vallum = options.proxy != "vallum"
    try:
        found = [case for case in cases.chosen(options.case) if case.load != "idle"]
    except ValueError as error:
        parser.error(str(error))
    if len(found) != 1 or not 0.5 <= options.seconds <= 30:
        parser.error("expected one case under load and 0.5 to 30 seconds")
    options.case = found[0]
    return options


def common(parser):
    parser.add_argument("--cores", default="0,1", metavar="P,L", help="cores of the proxy and of the load; default 0,1")
    parser.add_argument("--binary", metavar="FILE", help="measure this vallum instead of building one")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configurations and logs, say where it is")


def run_cases(options):
    proxies = ("haproxy", "nginx") if options.without_vallum else ("haproxy", "nginx", "vallum")
    idle = IDLE_CONNECTIONS_QUICK if options.quick else IDLE_CONNECTIONS
    repetitions = 1 if options.quick else options.repetitions
    with workplace(options.keep) as folder:
        seconds = 0.4 if options.quick else 1.0
        setting = set_up(options, folder, proxies, repetitions, seconds, idle)
        signal.alarm(FULL_SECONDS_MAX)
        try:
            return run_with(options, setting)
        finally:
            setting.upstream.stop()


def run_with(options, setting):
    about = machine.description(setting.vallum, built=not options.binary)
    about.append(
        f"method: {setting.repetitions} repetitions of {setting.slice_seconds:g} s after a warm-up, interleaved; proxy on core"
        f" {setting.proxy_core}, load and upstream on core {setting.load_core}"
    )
    print("\n".join(about), flush=True)
    summaries = []
    try:
        for case in options.cases:
            print(f"measuring {case.key}: {case.title}", file=sys.stderr, flush=True)
            summaries.append(table.summary(case, *series.measure(case, setting)))
    finally:
        # What was measured before a time-out or an interrupt is worth showing.
        report(about, summaries)
    return 1 if any(one["errors"] for one in summaries) else 0


def report(about, summaries):
    text = table.markdown(summaries)
    print(f"\n{text}\n", flush=True)
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    machine.OUTPUT.mkdir(parents=True, exist_ok=True)
    made = {"time": when, "about": about, "cases": summaries}
    (machine.OUTPUT / "result.json").write_text(json.dumps(made, indent=1) + "\n")
    (machine.OUTPUT / "result.md").write_text("\n".join(f"- {line}" for line in about) + f"\n\n{text}\n")
    print(f"written: {machine.OUTPUT / 'result.json'} and result.md", flush=True)


def set_up(options, folder, proxies, repetitions, slice_seconds, idle):
    """Everything that the cases share; the upstream is running afterwards."""
    try:
        proxy_core, load_core = (int(core) for core in options.cores.split(","))
    except ValueError:
        raise machine.Unfit(f"--cores {options.cores}: expected two numbers such as 0,1") from None
    machine.check_cores((proxy_core, load_core))
    machine.raise_open_files()
    vallum = None
    if not options.without_vallum:
        vallum = str(Path(options.binary).resolve()) if options.binary else machine.build_vallum()
    # The harness and its threads live where the load lives.
    os.sched_setaffinity(0, {load_core})
    files = material.make(folder)
    return series.Setting(
        files=files, upstream=upstream.Upstream(files, load_core), proxies=proxies, vallum=vallum,
        proxy_core=proxy_core, load_core=load_core, repetitions=repetitions, slice_seconds=slice_seconds,
        idle_connections=min(idle, series.idle_connections_max()),
    )


@contextmanager
def workplace(keep):
    """A folder of its own, and an orderly end when time is up (SIGALRM) or on SIGINT and SIGTERM."""
    machine.install_tools()

    def end(number, _):
        if number == signal.SIGALRM:
            raise TimeUp("time is up; try fewer cases (--case) or --quick")
        raise SystemExit(128 + number)

    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    folder = Path(tempfile.mkdtemp(prefix="vallum-bench-"))
    try:
        yield folder
    finally:
        signal.alarm(0)
        if keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)

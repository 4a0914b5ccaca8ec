"""What the machine must offer: tools, cores, open files; and what it is, for the head of the report."""

import os
import platform
import re
import resource
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "target" / "bench"

# Program to the Debian package that brings it.
PACKAGES = {"haproxy": "haproxy", "nginx": "nginx-light", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl"}
INSTALL_SECONDS = 300
BUILD_SECONDS = 1800


class Unfit(Exception):
    """The machine lacks something that the measurement needs; the text says what and how to get it."""


def tool(name):
    """The path of a program; Debian keeps some of them in /usr/sbin, which is not in everybody's PATH."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if not found:
        raise Unfit(f"{name} is not installed; try: apt-get install {PACKAGES.get(name, name)}")
    return found


def has_tool(name):
    try:
        return bool(tool(name))
    except Unfit:
        return False


def install_tools():
    """Installs what is missing, and sees to it that none of it runs as a service."""
    missing = sorted({package for name, package in PACKAGES.items() if not has_tool(name)})
    if not missing:
        return
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    print(f"installing {' '.join(missing)}", flush=True)
    # Debian starts a service when it is installed, unless this file says no.
    guard = Path("/usr/sbin/policy-rc.d")
    guarded = not guard.exists() and os.geteuid() == 0
    if guarded:
        guard.write_text("#!/bin/sh\nexit 101\n")
        guard.chmod(0o755)
    try:
        apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        run_quietly([*apt, "update"])
        run_quietly([*apt, "install", "-y", "--no-install-recommends", *missing])
    finally:
        if guarded:
            guard.unlink()
    services = [name for name in ("haproxy", "nginx") if PACKAGES[name] in missing]
    if services and has_tool("systemctl"):
        # Not now (for where the guard was not ours to write) and not at the next boot either.
        subprocess.run([*sudo, "systemctl", "disable", "--now", *services], capture_output=True, check=False)


def run_quietly(argv):
    """Runs a command and shows its output only when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode != 0:
        raise Unfit(f"{' '.join(argv)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def build_vallum(extra=None):
    """Builds the release binary, with `extra` in the environment, and returns its path, wherever the target directory is."""
    print("building vallum (release)", flush=True)
    argv = ["cargo", "build", "--release", "--bin", "vallum", "--message-format=json-render-diagnostics"]
    environment = {**os.environ, **(extra or {})}
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=BUILD_SECONDS, check=False
    )
    found = re.findall(r'"executable":"([^"]+/vallum)"', done.stdout)
    if done.returncode != 0 or not found:
        raise Unfit("the release build failed")
    return found[-1]


def check_cores(cores):
    """The proxy and the load must have a core each, or they measure each other."""
    allowed = os.sched_getaffinity(0)
    if len(set(cores)) != 2 or not set(cores) <= allowed:
        raise Unfit(f"two different cores out of {sorted(allowed)} are needed, got {cores}; see --cores")


def raise_open_files():
    """Raises the soft limit of open files to the hard one and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def description(vallum, built):
    """Lines for the head of the report: who was measured on what. `built`: the binary is of this working tree."""
    lines = [f"machine: {cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}"]
    lines.append("load average at start: " + " ".join(f"{load:.2f}" for load in os.getloadavg()))
    lines.append("haproxy: " + first_line([tool("haproxy"), "-v"]))
    lines.append("nginx: " + first_line([tool("nginx"), "-v"]))
    lines.append("openssl (command): " + first_line([tool("openssl"), "version"]))
    if vallum:
        lines.append("vallum: " + first_line([vallum, "--version"]) + (commit() if built else f" ({vallum})"))
    return lines


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def first_line(argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return ((done.stdout + done.stderr).strip().splitlines() or ["unknown version"])[0]


def commit():
    argv = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""

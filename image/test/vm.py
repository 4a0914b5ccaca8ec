"""A virtual machine under software emulation (QEMU TCG), headless, with OVMF firmware.

QEMU comes from the tools root of the build; `directory` is what it sees as /build.
"""

import base64
import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from builder import say
from builder.tools import Tools

FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
# The one that enforces Secure Boot: its variables can be written from system management mode alone.
SECURE_FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
VARIABLES = "usr/share/OVMF/OVMF_VARS_4M.fd"
MEMORY_MIB = 512
# What a console says when the machine will never serve.
HOPELESS = ("Interactive Shell", "Kernel panic", "UEFI Interactive", "BdsDxe: failed to load", "Unable to mount root")
ESCAPES = re.compile(rb"\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78cM])|\r")
POLL_SECONDS = 0.5
TPM_SECONDS_MAX = 30
BALLOON = "/machine/peripheral/balloon"
# What a balloon says of a figure that it does not know.
UNKNOWN = (1 << 64) - 1


class Machine:
    """One machine; use it as a context manager, so that it ends with the test."""

    def __init__(self, tools: Tools, directory: Path, name: str):
        self.tools, self.directory, self.name = tools, directory, name
        self.disks: list[str] = []
        self.credentials: list[tuple[str, bytes]] = []
        self.firmware_files: list[tuple[str, bytes]] = []
        self.command_line = ""
        # Port here, port there, and the machine's address where it is not what its DHCP gives.
        self.forwards: list[tuple] = []
        # A second network card on a cable (`ports`): interface here, MAC there.
        self.cable: tuple[str, str] | None = None
        # Discs in a CD drive.
        self.discs: list[str] = []
        # An EFI program that is started instead of a disk.
        self.kernel: str | None = None
        # A TPM 2.0 whose state stays in the directory, and firmware that checks signatures by the keys in `vars.fd`.
        self.has_tpm = self.checks_signatures = False
        # Whether the machine may start again by itself; otherwise a new start ends it, and so the test.
        self.restarts = False
        # Words on the console after which waiting is in vain.
        self.hopeless: tuple[str, ...] = HOPELESS
        self.process: subprocess.Popen | None = None
        self.tpm: subprocess.Popen | None = None
        self.began = 0.0
        if not (directory / "vars.fd").exists():
            shutil.copyfile(tools.root / VARIABLES, directory / "vars.fd")

    def credential(self, name: str, value: bytes | str) -> "Machine":
        """A credential by SMBIOS (type 11)."""
        self.credentials.append((name, value.encode() if isinstance(value, str) else value))
        return self

    def firmware_credential(self, name: str, value: bytes | str) -> "Machine":
        """A credential by QEMU's own way (fw_cfg)."""
        self.firmware_files.append((name, value.encode() if isinstance(value, str) else value))
        return self

    def start(self) -> "Machine":
        self.console_file.unlink(missing_ok=True)
        if self.has_tpm:
            self._start_tpm()
        words = [*self._platform(), *self._configuration(), *self._devices()]
        command = self.tools.command(*words)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.directory / "qemu.err").open("wb"))
        self.began = time.monotonic()
        return self

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.tpm:
            self.tpm.kill()
            self.tpm.wait()

    def power_cut(self) -> None:
        """Ends the machine as if the plug were pulled."""
        self.process.kill()
        self.process.wait()

    def slow_writes(self, bytes_per_second: int) -> None:
        """From now on the first disk takes no more than so much."""
        others = dict.fromkeys(("bps", "bps_rd", "iops", "iops_rd", "iops_wr"), 0)
        self.qmp("block_set_io_throttle", device="disk0", bps_wr=bytes_per_second, **others)

    @property
    def console_file(self) -> Path:
        return self.directory / "console.log"

    def console(self) -> str:
        """What the serial line said so far."""
        if not self.console_file.exists():
            return ""
        return ESCAPES.sub(b"", self.console_file.read_bytes()).decode(errors="replace")

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def wait(self, what: str, seen, limit: float):
        """Waits until `seen()` is true, and returns it. Raises Failure when the machine is lost or the limit is over."""
        while True:
            if value := seen():
                return value
            text = self.console()
            lost = next((sign for sign in self.hopeless if sign in text), None)
            if self.process.poll() is not None:
                lost = f"QEMU ended with {self.process.returncode}: {(self.directory / 'qemu.err').read_text()[-800:]}"
            if lost or self.seconds() > limit:
                raise say.Failure(f"{self.name}: {what}: {lost or f'not within {limit:.0f} s'}; the console's end:\n{text[-6000:]}")
            time.sleep(POLL_SECONDS)

    def wait_for_end(self, limit: float, not_before) -> float:
        """Waits until the machine ends by itself; returns after how many seconds. Raises Failure when `not_before()` is true first."""
        while self.process.poll() is None:
            if (seen := not_before()) or self.seconds() > limit:
                raise say.Failure(f"{self.name}: {seen or f'still on after {limit:.0f} s'}; the console's end:\n{self.console()[-3000:]}")
            time.sleep(POLL_SECONDS)
        return self.seconds()

    def memory_in_use(self, limit: float) -> int:
        """Bytes that the guest uses and could not give back, as its memory balloon reports them."""
        self.qmp("qom-set", path=BALLOON, property="guest-stats-polling-interval", value=1)

        def report() -> int:
            stats = self.qmp("qom-get", path=BALLOON, property="guest-stats")["stats"]
            available = stats.get("stat-available-memory", UNKNOWN)
            return 0 if available in (0, UNKNOWN) else stats["stat-total-memory"] - available

        return self.wait("the memory balloon reports", report, self.seconds() + limit)

    def qmp(self, command: str, **arguments: object):
        """One command to QEMU's control socket; returns its answer."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(str(self.directory / "qmp"))
            file = line.makefile("rw")
            file.readline()
            for word, values in (("qmp_capabilities", {}), (command, arguments)):
                file.write(json.dumps({"execute": word, "arguments": values}) + "\n")
                file.flush()
                while "return" not in (answer := json.loads(file.readline())):
                    if "error" in answer:
                        raise say.Failure(f"QEMU refused {word}: {answer['error']}")
        return answer["return"]

    def power_down(self, limit: float) -> float:
        """Presses the power button and waits until the machine is off; returns the seconds it took."""
        pressed = time.monotonic()
        self.qmp("system_powerdown")
        while self.process.poll() is None:
            if time.monotonic() - pressed > limit:
                raise say.Failure(f"{self.name}: still on {limit:.0f} s after the power button; the console's end:\n{self.console()[-2000:]}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - pressed

    def _start_tpm(self) -> None:
        """Starts an emulated TPM; it ends with QEMU's connection."""
        (self.directory / "tpm").mkdir(exist_ok=True)
        socket_file = self.directory / "tpm.sock"
        socket_file.unlink(missing_ok=True)
        command = self.tools.command("swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", "dir=/build/tpm", "--ctrl", "type=unixio,path=/build/tpm.sock")
        self.tpm = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.directory / "tpm.err").open("wb"))
        until = time.monotonic() + TPM_SECONDS_MAX
        while not socket_file.exists():
            if self.tpm.poll() is not None or time.monotonic() > until:
                raise say.Failure(f"{self.name}: the TPM did not start: {(self.directory / 'tpm.err').read_text()[-400:]}")
            time.sleep(POLL_SECONDS)

    def _platform(self) -> list[str]:
        machine = "q35,smm=on" if self.checks_signatures else "q35"
        return [
            "qemu-system-x86_64", "-machine", machine, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB),
            "-display", "none", "-nodefaults", "-no-user-config", *([] if self.restarts else ["-no-reboot"]), "-serial", "file:/build/console.log",
            "-qmp", "unix:/build/qmp,server=on,wait=off", "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci,id=balloon", "-device", "i6300esb",
        ]  # fmt: skip

    def _configuration(self) -> list[str]:
        words = []
        for number, (name, value) in enumerate(self.credentials):
            (self.directory / f"oem{number}").write_bytes(b"io.systemd.credential.binary:" + name.encode() + b"=" + base64.b64encode(value))
            words += ["-smbios", f"type=11,path=/build/oem{number}"]
        if self.command_line:
            words += ["-smbios", f"type=11,value=io.systemd.stub.kernel-cmdline-extra={self.command_line.replace(',', ',,')}"]
        for number, (name, value) in enumerate(self.firmware_files):
            (self.directory / f"fw{number}").write_bytes(value)
            words += ["-fw_cfg", f"name=opt/io.systemd.credentials/{name},file=/build/fw{number}"]
        return words

    def _devices(self) -> list[str]:
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{here}-{''.join(address)}:{there}" for here, there, *address in self.forwards)
        words = ["-netdev", f"user,id=net{forwards}", "-device", "virtio-net-pci,netdev=net"]
        if self.cable:
            interface, mac = self.cable
            words += ["-netdev", f"tap,id=cable,ifname={interface},script=no,downscript=no", "-device", f"virtio-net-pci,netdev=cable,mac={mac}"]
        firmware = SECURE_FIRMWARE if self.checks_signatures else FIRMWARE
        words += ["-drive", f"if=pflash,format=raw,readonly=on,file={firmware}", "-drive", "if=pflash,format=raw,file=/build/vars.fd"]
        if self.checks_signatures:
            words += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        if self.has_tpm:
            words += ["-chardev", "socket,id=tpm,path=/build/tpm.sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"]
        if self.kernel:
            words += ["-kernel", f"/build/{self.kernel}"]
        for number, disc in enumerate(self.discs):
            words += ["-drive", f"if=none,id=disc{number},format=raw,readonly=on,file=/build/{disc}", "-device", f"ide-cd,drive=disc{number},bus=ide.{number}"]
        for number, disk in enumerate(self.disks):
            # Firmware tries them in this order, and no drive before them; a kernel has the first place.
            words += ["-drive", f"if=none,id=disk{number},format=raw,cache=unsafe,file=/build/{disk}"]
            words += ["-device", f"virtio-blk-pci,drive=disk{number},bootindex={number + 1}"]
        return words

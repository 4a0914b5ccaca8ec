"""The tools root: a Debian tree with the programs that the machine itself may lack, entered by chroot."""

from pathlib import Path

from . import say

# Bound into the tools root inside a mount namespace of its own, so that nothing stays mounted whatever happens.
ENTER = """
set -e
mkdir -p "$0/dev" "$0/proc" "$0/sys" "$0/tmp" "$0/run" "$0/build"
mount --rbind /dev "$0/dev"; mount --rbind /proc "$0/proc"; mount --rbind /sys "$0/sys"
mount --bind "$1" "$0/build"
shift
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TMPDIR=/tmp "$@"
"""


class Tools:
    """Programs below `root`; they see the directory `work` as `/build`."""

    def __init__(self, root: Path, work: Path, log: Path, epoch: int):
        self.root, self.work, self.log, self.epoch = root, work, log, epoch

    def command(self, *words: object) -> list[str]:
        """The command line that runs `words` inside."""
        settings = [f"SOURCE_DATE_EPOCH={self.epoch}", "SYSTEMD_LOG_LEVEL=warning"]
        inside = [*settings, "chroot", self.root, *words]
        outside = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, self.root, self.work]
        return [str(word) for word in (*outside, *inside)]

    def run(self, *words: object) -> str:
        """Runs a program of the tools root; returns its standard output. Raises Failure when it fails."""
        return say.run(self.command(*words), self.log)

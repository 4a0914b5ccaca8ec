//! The machine's own disk: which of its two slots runs, and where the other is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::UpdateError;
use super::gpt::{Partition, Table};

/// Types of partitions (the Discoverable Partitions Specification): a root of x86-64, and its verity tree.
pub const ROOT: Uuid = uuid::uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
pub const VERITY: Uuid = uuid::uuid!("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5");
/// The name of a partition that holds nothing of use.
pub const EMPTY: &str = "_empty";
/// The name of the others, before the version.
const NAMED: &str = "vallum_";

/// A root with its verity tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// `A` or `B`, by their order on the disk.
    pub letter: char,
    pub root: Partition,
    pub verity: Partition,
}

impl Slot {
    /// The version in it; `None` when it is empty, or half written.
    pub fn version(&self) -> Option<&str> {
        let version = self.root.name.strip_prefix(NAMED)?;
        (self.verity.name == self.root.name).then_some(version)
    }

    /// Says in `table` that it holds `version`, whose partitions have these identities.
    pub fn name(&self, table: &mut Table, version: &str, (root, verity): (Uuid, Uuid)) {
        let name = format!("{NAMED}{version}");
        table.rename(self.root.number, root, &name);
        table.rename(self.verity.number, verity, &name);
    }

    /// Says in `table` that it holds nothing: no boot file finds it any more.
    pub fn clear(&self, table: &mut Table) {
        table.rename(self.root.number, Uuid::new_v4(), EMPTY);
        table.rename(self.verity.number, Uuid::new_v4(), EMPTY);
    }
}

/// Running and other slot of the table, the former by the identity of its root.
pub fn pair(table: &Table, running: Uuid) -> Result<(Slot, Slot), UpdateError> {
    let partitions = table.partitions();
    let of = |kind| partitions.iter().filter(move |part| part.kind == kind).cloned();
    let whole = of(ROOT).zip(of(VERITY)).zip('A'..).map(|((root, verity), letter)| Slot { letter, root, verity });
    match <[Slot; 2]>::try_from(whole.collect::<Vec<_>>()) {
        Ok([a, b]) if a.root.identity == running => Ok((a, b)),
        Ok([a, b]) if b.root.identity == running => Ok((b, a)),
        _ => Err(UpdateError::Layout),
    }
}

/// The identity of the running root, out of the kernel's command line.
pub fn running_root(command_line: &str) -> Option<Uuid> {
    let hash = command_line.split_ascii_whitespace().find_map(|word| word.strip_prefix("roothash="))?;
    u128::from_str_radix(hash.get(..32)?, 16).ok().map(Uuid::from_u128)
}

/// Opens the disk that holds the partition `root`.
pub fn open_disk(root: Uuid, write: bool) -> Result<File, UpdateError> {
    let path = disk_of(root).map_err(UpdateError::Disk)?;
    OpenOptions::new().read(true).write(write).open(path).map_err(UpdateError::Disk)
}

fn disk_of(root: Uuid) -> io::Result<PathBuf> {
    let partition = fs::canonicalize(format!("/dev/disk/by-partuuid/{root}"))?;
    let name = partition.file_name().ok_or(io::ErrorKind::NotFound)?;
    // /sys/class/block/vda2 is a link into the folder of vda.
    let place = fs::canonicalize(Path::new("/sys/class/block").join(name))?;
    let disk = place.parent().and_then(Path::file_name).ok_or(io::ErrorKind::NotFound)?;
    Ok(Path::new("/dev").join(disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_root_stands_on_the_command_line() {
        let hash = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210";
        let line = format!("panic=10 roothash={hash} console=ttyS0\n");
        assert_eq!(running_root(&line).unwrap().to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        for line in ["", "roothash=", "roothash=xyz", "noroothash=00"] {
            assert_eq!(running_root(line), None, "{line}");
        }
    }
}

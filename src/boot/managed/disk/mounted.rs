//! A disk, mounted for as long as it is read.

use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Mounts `device` at `at`, read-only and without devices, programs or privileges of its own, and reads it.
pub fn read<T>(device: &Path, system: &str, at: &Path, read: impl FnOnce(&Path) -> T) -> io::Result<T> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(device, at, system, flags, None)?;
    let taken = read(at);
    // Its file system is read by now; what is wrong with the disk from here on concerns nobody.
    unmount(at, UnmountFlags::DETACH)?;
    Ok(taken)
}

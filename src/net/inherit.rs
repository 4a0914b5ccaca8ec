//! Descriptors that the service manager hands over (sd_listen_fds(3)): sockets that it bound, and those that an earlier
//! life of this service left in its store.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Most descriptors that are taken over; a service manager that passes more is refused.
pub const DESCRIPTORS_MAX: usize = 4096;

/// One descriptor and the name that its unit gave it (`FileDescriptorName=`, `FDNAME=`); `unknown` without one.
#[derive(Debug)]
pub struct Inherited {
    pub name: String,
    pub descriptor: OwnedFd,
}

/// Takes over what was handed to this process: once, later calls find nothing. Without a service manager, or with
/// variables that were meant for another process, there is nothing.
pub fn take() -> io::Result<Vec<Inherited>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(Vec::new());
    }
    let descriptors = sd_notify::listen_fds_with_names()?;
    if descriptors.len() > DESCRIPTORS_MAX {
        let message =
            format!("{} descriptors were handed over, at most {DESCRIPTORS_MAX} are taken", descriptors.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let own = |(raw, name)| {
        // SAFETY: sd_notify has just set a flag on this descriptor, so it is open. The protocol makes it ours, and
        // `TAKEN` keeps a second call from owning it again.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        Inherited { name, descriptor }
    };
    Ok(descriptors.map(own).collect())
}

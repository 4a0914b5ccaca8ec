//! What the service manager is told (sd_notify(3)). Without `NOTIFY_SOCKET` nothing happens.
//!
//! A failure is logged and otherwise ignored: a silent service manager is no reason to stop serving.

use std::io;
use std::os::fd::AsFd;

use sd_notify::NotifyState;

/// Most descriptors in one message; the kernel takes 253.
const DESCRIPTORS_AT_ONCE: usize = 200;
/// Longest status text, in bytes.
const STATUS_BYTES_MAX: usize = 512;

/// `READY=1`: serving, after the start and after each reload (adopted or refused).
pub fn ready(status: &str) {
    let status = one_line(status);
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// `RELOADING=1` together with `MONOTONIC_USEC=`: units of `Type=notify-reload` are killed unless both come in one
/// datagram. [`ready`] must follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => failed(&error),
    }
}

/// `STOPPING=1`: the drain has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// `STATUS=`: one line for `systemctl status`.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(&one_line(text))]);
}

/// `WATCHDOG=1`.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// `FDSTORE=1`: the service manager holds these under `name` and hands them to the next life of this service. One that
/// has no store for us (`FileDescriptorStoreMax=`) closes them.
pub fn keep(name: &str, descriptors: &[impl AsFd]) {
    for some in descriptors.chunks(DESCRIPTORS_AT_ONCE) {
        let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
        if let Err(error) = sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(name)], &some) {
            failed(&error);
        }
    }
}

/// `FDSTOREREMOVE=1`: what is held under `name` is of no use any more.
pub fn forget(name: &str) {
    tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        failed(&error);
    }
}

fn failed(error: &io::Error) {
    tracing::warn!(%error, "the service manager could not be told");
}

/// A line break would begin a new assignment.
fn one_line(text: &str) -> String {
    let end = text.floor_char_boundary(STATUS_BYTES_MAX);
    text[..end].replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_stays_one_line_and_short() {
        assert_eq!(one_line("generation 4\nMAINPID=1\r\0x"), "generation 4 MAINPID=1  x");
        let long = "ä".repeat(STATUS_BYTES_MAX);
        assert!(one_line(&long).len() <= STATUS_BYTES_MAX);
    }

    #[test]
    fn reloading_carries_its_time_in_the_same_datagram() {
        // The environment belongs to the whole test process, so a child process gets the socket: this test's own binary.
        const CHILD: &str = "VALLUM_TEST_NOTIFY_CHILD";
        if std::env::var_os(CHILD).is_some() {
            ready("generation 1");
            reloading();
            status("two\nlines");
            stopping();
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "boot::systemd::tests::reloading_carries_its_time_in_the_same_datagram"])
            .env(CHILD, "1")
            .env("NOTIFY_SOCKET", &path)
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        socket.set_nonblocking(true).unwrap();
        let datagram = || {
            let mut buffer = [0; 1024];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(datagram(), "READY=1\nSTATUS=generation 1\n");
        let reload = datagram();
        let time = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
        assert!(time.parse::<u64>().unwrap() > 0);
        assert_eq!(datagram(), "STATUS=two lines\n");
        assert_eq!(datagram(), "STOPPING=1\n");
    }
}

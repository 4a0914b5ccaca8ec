//! What the service manager is told (sd_notify(3)), and when it is told no more.

use rustix::process::Signal;
use serde_json::json;

use super::supervisor::Supervisor;
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, clear, public_route};
use crate::harness::{PATIENCE, wait_for};
use std::time::Duration;

/// A worker is taken for stuck after 10 s.
const STUCK_PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn start_reloads_and_end_are_told() {
    let supervisor = Supervisor::new();
    let good = clear(json!([public_route(HOST, json!("http://127.0.0.1:9"))]));
    let (mut process, address) = supervisor.start_ready(&[], &good);
    let ready = supervisor.wait_for("READY=1");
    assert_eq!(ready.value("STATUS"), Some(&*format!("listening on {address}")));

    for (settings, generation) in [(&good, 2), (&json!({"routes": "none"}), 2), (&good, 3)] {
        supervisor.configure(settings);
        process.signal(Signal::HUP);
        // Both in one datagram, or systemd kills units of Type=notify-reload.
        let reloading = supervisor.next();
        assert_eq!(reloading.value("RELOADING"), Some("1"), "{reloading:?}");
        assert!(reloading.value("MONOTONIC_USEC").unwrap().parse::<u64>().unwrap() > 0);
        let ready = supervisor.next();
        assert_eq!(ready.value("READY"), Some("1"), "{ready:?}");
        assert!(ready.value("STATUS").unwrap().contains(&format!("generation {generation}")), "{ready:?}");
    }
    process.signal(Signal::TERM);
    assert_eq!(supervisor.next().value("STOPPING"), Some("1"));
    assert!(process.wait(PATIENCE).success());
}

#[test]
fn a_bad_configuration_at_the_start_is_never_ready() {
    let supervisor = Supervisor::new();
    let mut process = supervisor.start(&[], &json!({"routes": "none"}));
    assert_eq!(process.wait(PATIENCE).code(), Some(78));
    assert!(supervisor.look().is_none());
}

#[test]
fn a_worker_that_is_stuck_stops_the_watchdogs_feed() {
    let mut supervisor = Supervisor::new();
    supervisor.environment = vec![("WATCHDOG_USEC", "400000".to_owned()), ("VALLUM_SANDBOX", "off".to_owned())];
    let (process, _) = supervisor.start_ready(&[], &clear(json!([])));
    for _ in 0..3 {
        supervisor.wait_for("WATCHDOG=1");
    }
    let stopped = Stopped::new(&process, "worker-1");
    let next_status = || wait_for("a status", STUCK_PATIENCE, || supervisor.look()?.value("STATUS").map(str::to_owned));
    assert_eq!(next_status(), "worker 1 makes no progress");
    drop(stopped);
    // Messages come in order: none fed the watchdog between the two.
    let next = wait_for("a message", STUCK_PATIENCE, || supervisor.look());
    assert_eq!(next.value("STATUS"), Some("every worker makes progress again"), "{next:?}");
    supervisor.wait_for("WATCHDOG=1");
}

/// One thread of a process, held by ptrace until this is dropped.
struct Stopped(libc::pid_t);

impl Stopped {
    fn new(process: &Process, thread: &str) -> Stopped {
        let id = process.thread(thread);
        trace(libc::PTRACE_SEIZE, id);
        trace(libc::PTRACE_INTERRUPT, id);
        // SAFETY: a null status is allowed; no memory is passed.
        let waited = unsafe { libc::waitpid(id, std::ptr::null_mut(), libc::__WALL) };
        assert_eq!(waited, id);
        Stopped(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        trace(libc::PTRACE_DETACH, self.0);
    }
}

fn trace(request: libc::c_uint, id: libc::pid_t) {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests read no memory; address and data are zero.
    let result = unsafe { libc::ptrace(request, id, none, none) };
    assert_eq!(result, 0, "ptrace {request}: {}", std::io::Error::last_os_error());
}

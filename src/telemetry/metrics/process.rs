//! The standard `process_*` metrics, read from the kernel at each scrape.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::family::Family;

/// All of them that the kernel tells; `started_at` in Unix seconds.
pub(super) fn families(started_at: f64) -> Vec<Family> {
    let mut families = vec![
        Family::counter("process_cpu_seconds_total", "User and system CPU time spent, in seconds.").of(cpu_seconds()),
        Family::gauge("process_start_time_seconds", "Start of the process, in seconds since the Unix epoch.")
            .of(started_at),
    ];
    if let Some(open) = open_descriptors() {
        families.push(Family::gauge("process_open_fds", "Open file descriptors.").of(open as f64));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        families.push(Family::gauge("process_max_fds", "Most file descriptors that may be open.").of(most as f64));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = status_bytes(&status, "VmRSS:") {
        families.push(Family::gauge("process_resident_memory_bytes", "Resident memory, in bytes.").of(bytes as f64));
    }
    if let Some(bytes) = status_bytes(&status, "VmSize:") {
        families.push(Family::gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.").of(bytes as f64));
    }
    families
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

fn open_descriptors() -> Option<usize> {
    // One of them is the directory being read.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

/// A line of /proc/self/status such as `VmRSS:      1234 kB`, in bytes.
fn status_bytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        let status =
            "Name:\tx\nVmSize:\t  20 kB\nVmRSS:\t     1234 kB\nVmBad:\tx kB\nVmHuge:\t18446744073709551615 kB\n";
        assert_eq!(status_bytes(status, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(status_bytes(status, "VmSize:"), Some(20 * 1024));
        for absent in ["VmBad:", "VmHuge:", "VmNone:"] {
            assert_eq!(status_bytes(status, absent), None, "{absent}");
        }
    }

    #[test]
    fn this_process_has_descriptors_and_time() {
        assert!(open_descriptors().unwrap() >= 3);
        assert!(cpu_seconds() > 0.0);
    }
}

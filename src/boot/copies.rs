//! How the C library copies memory, which is decided when the process starts.
//!
//! From some thousand bytes on glibc copies by `rep movsb`. On AMD's processors that can be several times slower than its
//! own vector loop (its bug 30994), and was so for what is sealed for TLS. A tunable says it to the versions that do not
//! know, and tunables are read before `main`: so the program is started anew in its place, once, with the variable set.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where glibc reads its tunables. Whoever sets it knows better, and that it is set says that this was done.
const VARIABLE: &str = "GLIBC_TUNABLES";
/// Larger than any copy: 1 GiB.
const TUNABLE: &str = "glibc.cpu.x86_rep_movsb_threshold=1073741824";
/// The first processor's vendor stands within so many bytes of /proc/cpuinfo.
const CPUINFO_BYTES: u64 = 512;

/// Starts the program anew where that makes copies faster; returns where not, or where it cannot be done. To be called
/// before any thread exists or descriptor is made. The process keeps its number and what it inherited.
pub fn prefer_vectors() {
    if cfg!(not(all(target_arch = "x86_64", target_env = "gnu"))) || std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let mut info = String::new();
    let is_read =
        File::open("/proc/cpuinfo").and_then(|file| file.take(CPUINFO_BYTES).read_to_string(&mut info)).is_ok();
    if !is_read || !is_amd(&info) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    // Comes back only when it failed; then copies are slower, no more.
    let _ = Command::new(program).arg0(name).args(arguments).env(VARIABLE, TUNABLE).exec();
}

fn is_amd(cpuinfo: &str) -> bool {
    let vendor = cpuinfo.lines().find_map(|line| line.strip_prefix("vendor_id")?.split(':').nth(1));
    vendor.is_some_and(|vendor| vendor.trim() == "AuthenticAMD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_is_found() {
        for (info, expected) in [
            ("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n", true),
            ("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n", false),
            ("processor\t: 0\nmodel name\t: AuthenticAMD\n", false),
            ("vendor_id", false),
            ("", false),
        ] {
            assert_eq!(is_amd(info), expected, "{info}");
        }
    }
}

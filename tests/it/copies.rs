//! On some processors the program starts itself anew at once (`boot::copies`): nobody notices but by its environment.

use std::fs;

use serde_json::json;

use crate::harness::Vallum;

#[test]
fn the_process_stays_the_one_that_was_started() {
    let vallum = Vallum::start(json!({"routes": []}));
    let read = |name: &str| fs::read(format!("/proc/{}/{name}", vallum.process.id())).unwrap();
    let environment = read("environ");
    let is_set = environment.split(|byte| *byte == 0).any(|one| one.starts_with(b"GLIBC_TUNABLES=glibc.cpu."));
    let vendor = fs::read_to_string("/proc/cpuinfo").unwrap();
    let is_wanted = cfg!(all(target_arch = "x86_64", target_env = "gnu")) && vendor.contains("AuthenticAMD");
    assert_eq!(is_set, is_wanted);
    assert_eq!(read("comm"), b"vallum\n");
    assert_eq!(read("cmdline").split(|byte| *byte == 0).nth(1), Some(&b"run"[..]));
}

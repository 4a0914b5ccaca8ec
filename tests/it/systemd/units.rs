//! The units that we ship, by systemd's own judgement.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::peers::program;
use crate::harness::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);
/// Highest exposure of the service that is accepted.
const EXPOSURE_MAX: f64 = 1.2;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// The units in a folder of their own, with the program that was built in the place of the installed one.
fn installed() -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(shipped()).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("/usr/bin/vallum", env!("CARGO_BIN_EXE_vallum"));
        std::fs::write(folder.path().join(entry.file_name()), text).unwrap();
    }
    folder
}

fn analyze(arguments: &[&str], folder: &Path) -> (bool, String) {
    let mut command = program("systemd-analyze");
    command.args(arguments).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()));
    let (status, lines) = Process::run("systemd-analyze", &mut command, PATIENCE);
    (status.success(), lines.join("\n"))
}

#[test]
fn systemd_finds_nothing_wrong_with_them() {
    let folder = installed();
    let units: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| path.ends_with(".service") || path.ends_with(".socket"))
        .collect();
    assert!(units.len() >= 3, "{units:?}");
    let mut arguments = vec!["verify", "--man=no", "--recursive-errors=no"];
    arguments.extend(units.iter().map(String::as_str));
    let (success, printed) = analyze(&arguments, folder.path());
    assert!(success && printed.is_empty(), "{printed}");
}

#[test]
fn the_service_is_hardly_exposed() {
    let folder = installed();
    let unit = folder.path().join("vallum.service");
    let (_, printed) = analyze(&["security", "--offline=yes", "--no-pager", unit.to_str().unwrap()], folder.path());
    let verdict = printed.lines().find_map(|line| line.split("Overall exposure level for vallum.service: ").nth(1));
    let level: f64 =
        verdict.and_then(|v| v.split_whitespace().next()?.parse().ok()).unwrap_or_else(|| panic!("{printed}"));
    assert!(level <= EXPOSURE_MAX, "{printed}");
}

#[test]
fn a_drop_in_says_what_it_needs() {
    for entry in std::fs::read_dir(shipped().join("drop-in")).unwrap().map(Result::unwrap) {
        let (name, text) = (entry.file_name(), std::fs::read_to_string(entry.path()).unwrap());
        let version = name.to_str().unwrap().split('-').next().unwrap();
        assert!(text.starts_with(&format!("# systemd {version} or newer: ")), "{name:?}");
        assert!(text.contains("\n[Service]\n"), "{name:?}");
    }
}

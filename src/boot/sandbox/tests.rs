//! The sandbox in a process of its own: this test's binary once more, for it is never left again.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;

use super::*;
use crate::net::driver;

/// Set in the child: the folder in which it may write.
const CHILD: &str = "VALLUM_TEST_SANDBOX_CHILD";

#[test]
fn what_is_given_up_is_gone_and_the_rest_works() {
    if let Some(writable) = std::env::var_os(CHILD) {
        return inside(&PathBuf::from(writable));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("own")).unwrap();
    std::fs::write(folder.path().join("readable"), "as before").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "boot::sandbox::tests::what_is_given_up_is_gone_and_the_rest_works", "--nocapture"])
        .env(CHILD, folder.path().join("own"))
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:#?}");
}

fn inside(own: &std::path::Path) {
    let sandbox = enter(&[own.to_owned()]);
    let holds = |name: &str| sandbox.steps.iter().any(|(step, held)| *step == name && matches!(held, Step::Holds(_)));
    for step in ["no_new_privs", "dumpable", "capabilities", "seccomp"] {
        assert!(holds(step), "{step}: {sandbox:?}");
    }
    let refused = Command::new("/bin/true").spawn().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);

    let outside = own.parent().unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("readable")).unwrap(), "as before");
    std::fs::write(own.join("state"), "kept").unwrap();
    std::fs::rename(own.join("state"), own.join("renamed")).unwrap();
    if holds("landlock") {
        let refused = |outcome: std::io::Result<()>| outcome.is_err_and(|e| e.kind() == ErrorKind::PermissionDenied);
        assert!(refused(std::fs::write(outside.join("readable"), "changed")));
        assert!(refused(std::fs::write(outside.join("new"), "made")));
        assert!(refused(std::fs::remove_file(outside.join("readable"))));
        assert!(refused(TcpListener::bind("127.0.0.1:0").map(drop)) || !binding_is_ruled());
    }
    // Threads, names and rings go on working.
    std::thread::spawn(driver::probe).join().unwrap();
    assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
}

/// Landlock knows of ports since its fourth version (Linux 6.7).
fn binding_is_ruled() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut parts = release.split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (6, 7)
}

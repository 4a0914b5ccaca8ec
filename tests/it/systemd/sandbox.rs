//! What the running process has given up.

use serde_json::{Value, json};

use crate::harness::Vallum;
use crate::harness::vallum::{HOST, clear, public_route};

#[test]
fn every_thread_has_given_up_what_it_does_not_need() {
    let settings = clear(json!([public_route(HOST, json!("http://127.0.0.1:9"))]));
    let vallum = Vallum::start(settings.clone());
    let told = vallum.wait_for_log(&[("message", json!("sandbox"))]);
    assert_eq!((&told["no-new-privs"], &told["dumpable"]), (&json!("on"), &json!("off")), "{told}");
    let threads = vallum.process.threads();
    assert!(threads.len() >= 4, "workers, control, log: {threads:?}");
    for status in threads {
        let of = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        assert_eq!((of("NoNewPrivs:"), of("Seccomp:")), ("1".to_owned(), "2".to_owned()), "{status}");
        // Reading what others own is all that root keeps.
        for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
            assert_eq!(u64::from_str_radix(&of(set), 16).unwrap() & !0x4, 0, "{set} {status}");
        }
    }
    if told["landlock"] == "missing" {
        let warned = vallum.wait_for_log(&[("step", json!("landlock"))]);
        assert_ne!(warned["reason"], Value::Null);
    }
    assert!(vallum.reload(settings), "files stay readable");
}

#[test]
fn it_can_be_switched_off_for_debuggers() {
    let mut command = crate::harness::vallum::command();
    command.env("VALLUM_SANDBOX", "off");
    let vallum = Vallum::start_as(command, tempfile::TempDir::new().unwrap(), clear(json!([])));
    let warned = vallum.wait_for_log(&[("step", json!("sandbox"))]);
    assert_eq!(warned["reason"], "VALLUM_SANDBOX=off");
}

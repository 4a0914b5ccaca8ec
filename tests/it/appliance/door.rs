//! What goes through the door, and what does not.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use super::Appliance;
use crate::harness::vallum::command;

/// An update that goes well, as the keeper tells it.
pub const DONE: &[u8] = br#"{"progress":{"step":"fetching","bytes":0,"total":48000000}}
{"progress":{"step":"fetching","bytes":48000000,"total":48000000}}
{"progress":{"step":"writing","bytes":12000000,"total":48000000}}
{"done":{"running":"1.0.0","offered":"1.1.0","next":"1.1.0","changed":true}}
"#;

#[test]
fn an_upgrade_tells_how_far_it_is_and_what_came_of_it() {
    let appliance = Appliance::start();
    let asked = appliance.scripted(DONE);
    let (code, printed, told) = appliance.answer(&["image", "upgrade", "--source", "https://r.example/x", "--reboot"]);
    assert_eq!(
        (code, printed.trim()),
        (0, "version 1.1.0 is written; the machine starts again, with version 1.1.0"),
        "{told}"
    );
    assert_eq!(told, "fetching 0.0 of 48.0 MB\nfetching 48.0 of 48.0 MB\nwriting 12.0 of 48.0 MB\n");
    let question: Value = serde_json::from_str(&asked.recv().unwrap()).unwrap();
    assert_eq!(question, json!({"upgrade": {"source": "https://r.example/x", "reboot": true, "retry": false}}));
    appliance.answer(&["image", "upgrade", "--retry"]);
    let question: Value = serde_json::from_str(&asked.recv().unwrap()).unwrap();
    assert_eq!(question, json!({"upgrade": {"source": null, "reboot": false, "retry": true}}));
}

#[test]
fn going_back_and_the_status_are_asked_for_too() {
    let appliance = Appliance::start();
    let asked = appliance.scripted(b"{\"done\":{\"next\":\"1.0.0\",\"running\":\"1.1.0\",\"changed\":true}}\n");
    let (code, printed, _) = appliance.answer(&["image", "rollback"]);
    assert_eq!((code, printed.trim()), (0, "version 1.0.0 is taken at the next start"));
    assert_eq!(asked.recv().unwrap(), "{\"rollback\":{\"reboot\":false}}\n");
    let (code, printed, _) = appliance.answer(&["image", "status", "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&printed).unwrap()["next"].as_str()), (0, Some("1.0.0")));
    assert_eq!(asked.recv().unwrap(), "\"status\"\n");
}

#[test]
fn a_refusal_is_told_in_the_keepers_words() {
    let appliance = Appliance::start();
    let _asked = appliance.scripted(
        b"{\"progress\":{\"step\":\"fetching\",\"bytes\":0,\"total\":1}}\n{\"failed\":\"no \\u001b[2Jroom\"}\n",
    );
    for verb in [&["image", "upgrade"][..], &["image", "rollback"], &["image", "status"]] {
        let (code, printed, told) = appliance.answer(verb);
        assert_eq!((code, printed.as_str()), (1, ""), "{verb:?}");
        assert!(told.contains("room") && !told.contains('\u{1b}'), "{told:?}");
    }
}

#[test]
fn a_keeper_that_talks_nonsense_is_found_out() {
    let long: &'static [u8] = Box::leak(vec![b'x'; 40_000].into_boxed_slice());
    for (text, words) in [
        (&b""[..], "broke off"),
        (b"{\"progress\":{\"step\":\"fetching\",\"bytes\":0,\"total\":1}}\n", "broke off"),
        (b"hello\n", "no line"),
        (b"{\"done\":1,\"failed\":\"x\"}\n", "no line"),
        (b"\xff\xfe\n", "no line"),
        (long, "no line"),
    ] {
        let appliance = Appliance::start();
        let _asked = appliance.scripted(text);
        for verb in [&["image", "upgrade"][..], &["image", "status"]] {
            let (code, _, told) = appliance.answer(verb);
            assert_eq!((code, told.contains(words)), (1, true), "{verb:?}: {told}");
        }
        assert_eq!(appliance.vallum.panics(), Vec::<String>::new());
    }
}

#[test]
fn without_a_keeper_there_is_a_reason() {
    let appliance = Appliance::start();
    for verb in [&["image", "upgrade"][..], &["image", "rollback"], &["image", "status"]] {
        let (code, _, told) = appliance.answer(verb);
        assert_eq!((code, told.contains("keeper.sock cannot be asked")), (1, true), "{told}");
    }
}

#[test]
fn the_real_keeper_knows_that_this_is_no_appliance() {
    let appliance = Appliance::start();
    appliance.real();
    for verb in [&["image", "upgrade", "--source", "/nonexistent"][..], &["image", "rollback"], &["image", "status"]] {
        let (code, _, told) = appliance.answer(verb);
        assert_eq!((code, told.contains("not started from the appliance's disk")), (1, true), "{told}");
    }
}

#[test]
fn the_real_keeper_takes_one_line_in_its_language() {
    let long = vec![b'"'; 100_000];
    let cases: [(&[u8], &str); 7] = [
        (b"", "expected one line"),
        (b"\"status\"", "expected one line"),
        (&long, "expected one line"),
        (b"\n", "could not be read"),
        (b"\"reboot\"\n", "unknown variant"),
        (b"{\"upgrade\":{\"key\":\"mine\"}}\n", "unknown field"),
        (b"{\"upgrade\":{\"source\":7}}\n", "invalid type"),
    ];
    for (question, words) in cases {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut keeper = keeper(theirs);
        // It may have stopped reading.
        let _ = ours.write_all(question);
        let _ = ours.shutdown(std::net::Shutdown::Write);
        assert_eq!(keeper.wait().unwrap().code(), Some(1), "{words}");
        let mut answer = Vec::new();
        // What it left unread makes the kernel reset the connection behind its answer.
        let _ = ours.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("{\"failed\":") && answer.contains(words), "{words}: {answer}");
    }
}

/// The keeper with a connection; this process keeps nothing of it.
fn keeper(connection: UnixStream) -> std::process::Child {
    let mut keeper = command();
    keeper.args(["image-keeper", "answer"]).stdin(Stdio::from(OwnedFd::from(connection)));
    keeper.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn options_that_no_verb_takes_are_refused_before_anybody_is_asked() {
    let appliance = Appliance::start();
    let asked = appliance.scripted(DONE);
    let mut admin = UnixStream::connect(appliance.vallum.folder().join("admin.sock")).unwrap();
    let body = "{\"key\": \"mine\"}";
    write!(
        admin,
        "POST /v1/image/upgrade HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("unknown field `key`"), "{answer}");
    assert!(asked.try_recv().is_err());
}

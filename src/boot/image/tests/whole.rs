//! What an update does when nothing goes wrong, and the order of versions.

use std::fs;
use std::os::unix::fs::FileExt;

use serde_json::json;

use super::disk;
use super::publisher::{Rig, sha256};
use crate::boot::image::gpt::SECTOR;
use crate::boot::image::telling::Telling;
use crate::boot::image::{UpdateError, slots};
use crate::control::admin::appliance::door::{Line, Rollback, Step, Upgrade};
use crate::control::admin::appliance::outcome;

#[test]
fn a_release_goes_into_the_other_slot_and_gets_three_tries() {
    let rig = Rig::new();
    let root: Vec<u8> = (0..30_000u32).map(|i| (i * 7) as u8).collect();
    rig.publish("1.1.0", &root);
    let before = rig.partitions();
    let done = rig.upgrade().unwrap();
    assert_eq!(done.answer, json!({"running": "1.0.0", "offered": "1.1.0", "next": "1.1.0", "changed": true}));
    assert_eq!(rig.boot_files(), ["vallum_1.0.0.efi", "vallum_1.1.0+3-0.efi"]);
    assert_eq!(fs::read_to_string(rig.place("boot/vallum_1.1.0+3-0.efi")).unwrap(), "boot file of 1.1.0");
    let parts = rig.partitions();
    assert_eq!(parts[..3], before[..3], "what runs is untouched");
    let hash = sha256(b"1.1.0");
    let identities = [&hash[..32], &hash[32..]].map(|half| uuid::Uuid::parse_str(half).unwrap());
    assert_eq!([parts[3].identity, parts[4].identity], identities);
    assert_eq!([&*parts[3].name, &*parts[4].name], ["vallum_1.1.0"; 2]);
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        rig.disk.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    assert_eq!(read(parts[3].offset, root.len()), root);
    assert_eq!(read(parts[4].offset, 4), b"tree");
    assert_eq!(read(disk::ROOT_A_AT, 16), [0; 16]);
    disk::judge(&rig.medium());

    // It waits for its first try: the same release is not written again.
    let state = rig.state();
    assert_eq!(rig.upgrade().unwrap().answer["changed"], false);
    assert_eq!(rig.state(), state);
    let status = rig.machine().status().unwrap();
    assert_eq!(status["running"], json!({"version": "1.0.0", "slot": "A", "proven": true}));
    assert_eq!((&status["other"]["version"], &status["next"]), (&json!("1.1.0"), &json!("1.1.0")));
    assert_eq!(status["boot_files"][1], json!({"version": "1.1.0", "tries_left": 3}));
}

#[test]
fn slots_take_turns() {
    let mut rig = Rig::new();
    for (version, letter) in [("1.1.0", 'A'), ("1.2.0", 'B'), ("1.10.0", 'A')] {
        rig.publish(version, version.as_bytes());
        rig.upgrade().unwrap();
        // The next start: systemd-boot counts, the data plane is ready, systemd blesses.
        rig.rename_boot_file(&format!("vallum_{version}+3-0.efi"), &format!("vallum_{version}.efi"));
        let (_, other) =
            slots::pair(&crate::boot::image::gpt::Table::read(&rig.medium()).unwrap(), rig.running.root).unwrap();
        rig.running.root = other.root.identity;
        rig.running.version = version.into();
        assert_ne!(rig.machine().status().unwrap()["running"]["slot"], json!(letter), "{version}");
        assert_eq!(rig.boot_files().len(), 2);
        assert_eq!(rig.next(), version);
    }
    assert_eq!(rig.boot_files(), ["vallum_1.10.0.efi", "vallum_1.2.0.efi"]);
}

#[test]
fn the_release_that_runs_is_no_error_and_an_older_one_is() {
    let rig = Rig::new();
    let state = rig.state();
    rig.publish("1.0.0", b"root");
    let done = rig.upgrade().unwrap();
    assert_eq!((&done.answer["changed"], &done.answer["next"]), (&json!(false), &json!("1.0.0")));
    rig.publish("0.9.9", b"root");
    for retry in [false, true] {
        let seen = rig.upgrade_as(retry);
        assert!(matches!(seen, Err(UpdateError::Older(..))), "{seen:?}");
    }
    assert_eq!(rig.state(), state);
}

#[test]
fn the_fallback_is_not_overwritten_before_the_running_version_is_good() {
    let rig = Rig::new();
    rig.rename_boot_file("vallum_1.0.0.efi", "vallum_1.0.0+2-1.efi");
    rig.publish("1.1.0", b"root");
    let state = rig.state();
    let seen = rig.upgrade();
    assert!(matches!(seen, Err(UpdateError::NotProven(_))), "{seen:?}");
    assert_eq!(rig.state(), state);
}

#[test]
fn a_version_that_failed_is_tried_again_only_when_told() {
    let rig = Rig::new();
    rig.publish("1.1.0", b"root");
    rig.upgrade().unwrap();
    rig.rename_boot_file("vallum_1.1.0+3-0.efi", "vallum_1.1.0+0-3.efi");
    let state = rig.state();
    let seen = rig.upgrade();
    assert!(matches!(seen, Err(UpdateError::Failed(_))), "{seen:?}");
    assert_eq!((rig.state(), rig.next()), (state, "1.0.0".to_owned()));
    rig.upgrade_as(true).unwrap();
    assert_eq!(rig.boot_files(), ["vallum_1.0.0.efi", "vallum_1.1.0+3-0.efi"]);
    rig.rename_boot_file("vallum_1.1.0+3-0.efi", "vallum_1.1.0+0-3.efi");
    rig.publish("1.1.1", b"root");
    rig.upgrade().unwrap();
    assert_eq!(rig.boot_files(), ["vallum_1.0.0.efi", "vallum_1.1.1+3-0.efi"]);
}

#[test]
fn going_back_takes_the_tries_of_the_running_version() {
    let mut rig = Rig::new();
    let seen = rig.machine().rollback(false);
    assert!(matches!(seen, Err(UpdateError::NothingElse)), "{seen:?}");
    rig.publish("1.1.0", b"root");
    rig.upgrade().unwrap();
    rig.rename_boot_file("vallum_1.1.0+3-0.efi", "vallum_1.1.0.efi");
    rig.running.root = rig.partitions()[3].identity;
    rig.running.version = "1.1.0".into();
    let done = rig.machine().rollback(true).unwrap();
    assert_eq!((&done.answer["next"], done.reboot), (&json!("1.0.0"), true));
    assert_eq!(rig.boot_files(), ["vallum_1.0.0.efi", "vallum_1.1.0+0-3.efi"]);
    assert_eq!(rig.next(), "1.0.0");
    // There, the version that was left counts as one that failed.
    rig.running = crate::boot::image::install::Running { root: disk::RUNNING, version: "1.0.0".into() };
    assert!(matches!(rig.upgrade(), Err(UpdateError::Failed(_))));
    assert!(matches!(rig.machine().rollback(false), Err(UpdateError::NothingElse)));
}

#[test]
fn progress_goes_from_nothing_to_all() {
    let rig = Rig::new();
    rig.publish("1.1.0", &[5; 20_000]);
    let mut told = Vec::new();
    let source = rig.place("release").to_str().map(str::to_owned);
    rig.machine().upgrade(&Upgrade { source, ..Upgrade::default() }, &mut Telling::to(&mut told)).unwrap();
    let lines: Vec<Line> =
        String::from_utf8(told).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut progress = lines.iter().map(|line| match line {
        Line::Progress(now) => (now.step, now.bytes, now.total),
        other => panic!("{other:?}"),
    });
    let total = 20_000 + 4 + "boot file of 1.1.0".len() as u64;
    assert_eq!(progress.next(), Some((Step::Fetching, 0, total)));
    assert!(progress.any(|now| now == (Step::Fetching, total, total)));
    assert!(progress.any(|now| now == (Step::Writing, total, total)));
}

#[test]
fn what_came_of_it_is_noted_for_the_service() {
    let rig = Rig::new();
    assert_eq!(outcome::read(&rig.place("run")), None);
    rig.publish("1.1.0", b"root");
    rig.upgrade().unwrap();
    let noted = outcome::read(&rig.place("run")).unwrap();
    assert_eq!((noted.version.as_deref(), noted.error), (Some("1.1.0"), None));
    rig.rename_boot_file("vallum_1.1.0+3-0.efi", "vallum_1.1.0+0-3.efi");
    fs::remove_file(rig.place("run").join(outcome::FILE)).unwrap();
    rig.machine().look().unwrap();
    let noted = outcome::read(&rig.place("run")).unwrap();
    assert!(noted.error.unwrap().contains("1.1.0 was tried and did not serve"));
}

#[test]
fn one_at_a_time() {
    let rig = Rig::new();
    rig.publish("1.1.0", b"root");
    let held = fs::File::create(rig.place("run/lock")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (seen, back) = (rig.upgrade(), rig.machine().rollback(false));
    assert!(matches!(seen, Err(UpdateError::Busy)), "{seen:?}");
    assert!(matches!(back, Err(UpdateError::Busy)), "{back:?}");
    drop(held);
    rig.upgrade().unwrap();
}

#[test]
fn requests_are_read_strictly() {
    use crate::control::admin::appliance::door::Request;
    for (text, meant) in [
        (r#""status""#, Some(Request::Status)),
        (r#"{"upgrade": {}}"#, Some(Request::Upgrade(Upgrade::default()))),
        (r#"{"rollback": {"reboot": true}}"#, Some(Request::Rollback(Rollback { reboot: true }))),
        (r#"{"upgrade": {"key": "mine"}}"#, None),
        (r#""reboot""#, None),
        ("{}", None),
    ] {
        assert_eq!(serde_json::from_str::<Request>(text).ok(), meant, "{text}");
    }
}

#[test]
fn the_whole_disk_is_still_what_it_was() {
    let rig = Rig::new();
    rig.publish("1.1.0", b"root");
    let before = rig.state().0;
    rig.upgrade().unwrap();
    let after = rig.state().0;
    // Apart from the tables and slot B, not one byte differs.
    let (slot, end) = ((256 * SECTOR) as usize, (336 * SECTOR) as usize);
    let tables = (34 * SECTOR) as usize;
    assert_eq!(before[tables..slot], after[tables..slot]);
    assert_eq!(before[end..before.len() - tables], after[end..after.len() - tables]);
}

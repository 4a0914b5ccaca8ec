//! What came of the last update is told wherever somebody looks.

use serde_json::json;

use super::Appliance;
use crate::harness::vallum::command;
use crate::harness::{Upstream, Vallum};

#[test]
fn a_failed_update_is_seen_in_status_console_and_metrics() {
    let appliance = Appliance::start();
    assert_eq!(appliance.vallum.scrape().value("vallum_image_update_failed", &[]), 0.0);
    assert!(!appliance.answer(&["status"]).1.contains("last update"));

    let file = appliance.keeper.path().join("last-update.json");
    std::fs::write(&file, json!({"at": 1700, "version": "1.1.0", "error": "no room"}).to_string()).unwrap();
    let (_, printed, _) = appliance.answer(&["status"]);
    assert!(printed.contains("last update   1.1.0: no room"), "{printed}");
    let (_, printed, _) = appliance.answer(&["console", "--once"]);
    assert!(printed.contains("update   no room"), "{printed}");
    let scrape = appliance.vallum.scrape();
    let values =
        ["vallum_image_update_failed", "vallum_image_update_timestamp_seconds"].map(|name| scrape.value(name, &[]));
    assert_eq!(values, [1.0, 1700.0]);

    std::fs::write(&file, json!({"at": 1800, "version": "1.1.1", "error": null}).to_string()).unwrap();
    let scrape = appliance.vallum.scrape();
    assert_eq!(scrape.value("vallum_image_update_failed", &[]), 0.0);
    assert!(appliance.answer(&["status"]).1.contains("last update   1.1.1: well"));
}

#[test]
fn elsewhere_there_is_no_such_metric() {
    let vallum = Vallum::public(&Upstream::echo());
    assert!(!vallum.metrics().contains("vallum_image"));
}

#[test]
fn the_timer_finds_nothing_to_do_without_a_source() {
    let output = command().args(["image-keeper", "update"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("vallum.update-source"), "/srv/release\n").unwrap();
    let mut update = command();
    update.args(["image-keeper", "update"]).env("CREDENTIALS_DIRECTORY", folder.path());
    let output = update.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), told.contains("not started from the appliance's disk")),
        (Some(1), true),
        "{told}"
    );
}

//! The same verbs from another machine.

use serde_json::json;
use tempfile::TempDir;

use super::door::DONE;
use super::{Appliance, text};
use crate::harness::certificates::Authority;
use crate::harness::vallum::command;

#[test]
fn an_appliance_is_updated_over_mutual_tls() {
    let (folder, servers, clients) = (TempDir::new().unwrap(), Authority::new(), Authority::new());
    std::fs::create_dir(folder.path().join("clients")).unwrap();
    let server = servers.issue(folder.path(), "edge", &["edge.example.com"]);
    let (me, ca) = (clients.issue(folder.path(), "me", &["me"]), clients.write_to(&folder.path().join("clients")));
    let roots = servers.write_to(folder.path());
    let more = json!({"certificates": [server.entry()], "admin_address": "127.0.0.1:0", "admin_client_ca_file": ca});
    let appliance = Appliance::start_with(more);
    let asked = appliance.scripted(DONE);
    let mut command = command();
    command.args(["--host", &appliance.vallum.listener("admin").to_string(), "--server-name", "edge.example.com"]);
    command.arg("--ca").arg(&roots).arg("--cert").arg(&me.cert).arg("--key").arg(&me.key);
    let output = command.args(["image", "upgrade", "--source", "/run/release"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("version 1.1.0 is taken at the next start"), "{output:?}");
    assert!(text(&output.stderr).contains("writing 12.0 of 48.0 MB"), "{output:?}");
    assert!(asked.recv().unwrap().contains("/run/release"));
}

//! Loading again: a good plan whole, or the old one kept.

use super::*;

#[test]
fn a_reload_is_one_generation_later() {
    let folder = Folder::new();
    let file = folder.file("c.yaml", format!("{BASE}{}", route("to: http://127.0.0.1:1")));
    let (mut reloader, loaded) = Reloader::start(Some(&file), Environment::new()).unwrap();
    assert_eq!((loaded.plan.generation, reloader.generation()), (1, 1));
    folder.file("c.yaml", format!("{BASE}{}", route("to: http://127.0.0.1:2")));
    let next = reloader.reload().unwrap();
    assert_eq!((next.plan.generation, reloader.generation()), (2, 2));
    assert_ne!(next.plan.checksum, loaded.plan.checksum);
    assert_eq!(next.plan.checksum, reloader.checksum());
    assert_eq!(next.warnings, []);
}

#[test]
fn a_bad_reload_changes_nothing() {
    let folder = Folder::new();
    let file = folder.file("c.yaml", BASE);
    let (mut reloader, first) = Reloader::start(Some(&file), Environment::new()).unwrap();
    for bad in ["", "address: nowhere", "routes: [", "no such thing"] {
        folder.file("c.yaml", bad);
        assert!(reloader.reload().unwrap_err().errors() > 0, "{bad}");
        assert_eq!((reloader.generation(), reloader.checksum()), (1, first.plan.checksum));
    }
    folder.file("c.yaml", BASE);
    assert_eq!(reloader.reload().unwrap().plan.generation, 2);
}

#[test]
fn what_needs_a_restart_keeps_its_value_and_is_named() {
    let folder = Folder::new();
    let file = folder.file("c.yaml", format!("{BASE}address: :1\nworkers: 1\nmetrics_address: :2\n"));
    let (mut reloader, first) = Reloader::start(Some(&file), Environment::new()).unwrap();
    let more = "address: :3\nworkers: 2\nmetrics_address: :4\ncodec_type: http1\nuse_proxy_protocol: true\nproxy_protocol_trusted_cidrs: 10.0.0.1\n";
    folder.file("c.yaml", format!("{}{more}", BASE.replace("insecure_server: true", "insecure_server: false")));
    let next = reloader.reload().unwrap();
    assert_eq!(next.plan.listener, first.plan.listener);
    let mut named: Vec<_> =
        next.warnings.iter().filter(|w| w.message.contains("needs a restart")).map(|w| w.key.as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, ["address", "codec_type", "insecure_server", "metrics_address", "use_proxy_protocol", "workers"]);
    folder.file("c.yaml", format!("{BASE}address: :1\nworkers: 1\nmetrics_address: :2\n"));
    assert_eq!(reloader.reload().unwrap().warnings, [], "back at the old values nothing needs a restart");
}

#[test]
fn trusted_networks_change_without_a_restart() {
    let folder = Folder::new();
    let text = |net: &str| format!("{BASE}use_proxy_protocol: true\nproxy_protocol_trusted_cidrs: [{net}]\n");
    let file = folder.file("c.yaml", text("10.0.0.1"));
    let (mut reloader, _) = Reloader::start(Some(&file), Environment::new()).unwrap();
    folder.file("c.yaml", text("10.0.0.2"));
    let next = reloader.reload().unwrap();
    assert!(next.plan.listener.proxy_protocol.unwrap().trusts("10.0.0.2".parse().unwrap()));
    assert_eq!(next.warnings, []);
}

#[test]
fn made_up_secrets_survive_a_reload() {
    let folder = Folder::new();
    let file = folder.file("c.yaml", "insecure_server: true");
    let (mut reloader, first) = Reloader::start(Some(&file), Environment::new()).unwrap();
    let next = reloader.reload().unwrap().plan.identity;
    assert_eq!(first.plan.identity.shared_secret.bytes(), next.shared_secret.bytes());
    assert_eq!(first.plan.identity.cookie_secret.bytes(), next.cookie_secret.bytes());
}

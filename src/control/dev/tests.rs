use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn options(root: &Path) -> Options {
    Options { address: "127.0.0.1:0".parse().unwrap(), state_dir: root.join("state") }
}

#[test]
fn only_loopback_is_accepted_and_nothing_is_made_before() {
    let root = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "192.0.2.1:8443", "[::]:8443", "[2001:db8::1]:8443", "[::ffff:127.0.0.1]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let error = prepare(&Options { address, ..options(root.path()) }).err().unwrap();
        assert!(matches!(error, DevError::NotLoopback(seen) if seen == address), "{error}");
        assert!(error.to_string().contains("loopback only"));
    }
    assert!(!root.path().join("state").exists());
}

#[test]
fn a_second_start_re_uses_every_secret() {
    let root = tempfile::tempdir().unwrap();
    let files = |state: &Path| -> Vec<(String, Vec<u8>, u32)> {
        let entries = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = entries
            .filter(|path| !path.ends_with("vallum.dev.yaml"))
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions().mode() & 0o777)
            })
            .collect();
        all.sort();
        all
    };
    let state = prepare(&options(root.path())).unwrap().state_dir;
    let first = files(&state);
    let open = ["ca.pem", "localhost.pem"];
    assert!(first.iter().all(|(name, _, mode)| open.contains(&name.as_str()) || *mode == 0o600), "{first:?}");
    assert_eq!(first.len(), 11, "six secrets, two certificates with their keys, the lock");
    drop(prepare(&options(root.path())).unwrap());
    assert_eq!(files(&state), first);
}

#[test]
fn two_at_once_need_two_directories_and_may_share_nothing() {
    let root = tempfile::tempdir().unwrap();
    let first = prepare(&options(root.path())).unwrap();
    assert!(matches!(prepare(&options(root.path())), Err(DevError::Locked { .. })));
    let busy = Options { address: first.provider_listener.local_addr().unwrap(), state_dir: root.path().join("other") };
    let error = prepare(&busy).err().unwrap();
    assert!(matches!(error, DevError::Listen { .. }) && error.to_string().contains("--address"), "{error}");
}

#[test]
fn damaged_secrets_are_named() {
    let root = tempfile::tempdir().unwrap();
    let state = prepare(&options(root.path())).unwrap().state_dir;
    for name in [
        keys::SHARED_SECRET_FILE,
        keys::COOKIE_SECRET_FILE,
        keys::SIGNING_KEY_FILE,
        keys::CLIENT_ID_FILE,
        keys::CLIENT_SECRET_FILE,
        keys::PROVIDER_KEY_FILE,
    ] {
        let good = fs::read(state.join(name)).unwrap();
        for damage in [&b""[..], &good[..good.len() / 2], b"\xff\xfe", b"a b\n"] {
            // Half of a client id is a shorter client id: nothing can tell.
            if name == keys::CLIENT_ID_FILE && damage.len() > 4 {
                continue;
            }
            fs::write(state.join(name), damage).unwrap();
            let error = prepare(&options(root.path())).err().unwrap().to_string();
            let path = state.join(name).display().to_string();
            assert!(error.starts_with(&path) && error.contains("delete it"), "{error}");
        }
        fs::remove_file(state.join(name)).unwrap();
        drop(prepare(&options(root.path())).unwrap());
    }
}

#[test]
fn the_banner_says_where_as_whom_and_how_to_trust() {
    let root = tempfile::tempdir().unwrap();
    let prepared = prepare(&options(root.path())).unwrap();
    let banner = prepared.banner();
    let ca = prepared.ca_file.display().to_string();
    for part in [
        &prepared.site.verify(),
        &prepared.site.public(),
        &prepared.site.admin(),
        "alice@example.com",
        "mallory",
        &format!("curl --cacert {ca}"),
        "certutil -d sql:$HOME/.pki/nssdb -A",
        "Firefox",
        "security add-trusted-cert",
        &prepared.state_dir.display().to_string(),
        "Ctrl-C",
    ] {
        assert!(banner.contains(part), "{part} is missing in {banner}");
    }
}

#[test]
fn the_configuration_names_the_ports_that_are_bound() {
    let root = tempfile::tempdir().unwrap();
    let prepared = prepare(&options(root.path())).unwrap();
    let text = fs::read_to_string(&prepared.config_file).unwrap();
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    assert_eq!(yaml["address"], prepared.address.to_string());
    assert_ne!(prepared.address.port(), 0);
    assert_eq!(yaml["metrics_address"], prepared.metrics_address.to_string());
    assert_eq!(yaml["idp_provider_url"], url(&prepared.provider_listener));
    assert_eq!(yaml["routes"][0]["to"], url(&prepared.verify_listener));
    for key in yaml.as_mapping().unwrap().keys().filter_map(|key| key.as_str()).filter(|key| key.ends_with("_file")) {
        assert!(Path::new(yaml[key].as_str().unwrap()).is_absolute(), "{key}");
        assert!(fs::metadata(yaml[key].as_str().unwrap()).is_ok(), "{key}");
    }
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_helpers_answer_on_their_sockets() {
    let root = tempfile::tempdir().unwrap();
    let prepared = prepare(&options(root.path())).unwrap();
    let provider = prepared.provider_listener.local_addr().unwrap();
    let verify = prepared.verify_listener.local_addr().unwrap();
    let helpers = tokio::spawn(serve(prepared, Arc::new(|| serde_json::json!({"keys": []}))));
    let answers =
        tokio::task::spawn_blocking(move || (ask(provider, "/.well-known/openid-configuration"), ask(verify, "/")));
    let (provider_answer, verify_answer) = answers.await.unwrap();
    assert!(
        provider_answer.starts_with("HTTP/1.1 200 ") && provider_answer.contains(&format!("http://{provider}/token"))
    );
    assert!(verify_answer.starts_with("HTTP/1.1 200 ") && verify_answer.contains("Not verified."));
    assert!(matches!(prepare(&options(root.path())), Err(DevError::Locked { .. })), "locked while it serves");
    helpers.abort();
    assert!(helpers.await.unwrap_err().is_cancelled());
    drop(prepare(&options(root.path())).unwrap());
}

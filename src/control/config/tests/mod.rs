//! The pipeline as a whole: text in, plan or problems out.

mod access;
mod actions;
mod certificates;
mod client_certificates;
mod credentials;
mod hostile;
mod identity;
mod keys;
mod limits;
mod listener;
mod reload;
mod report;
mod routes;

use std::path::PathBuf;

use super::*;

/// Settings that alone load without a warning.
const BASE: &str = "\
insecure_server: true
shared_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
cookie_secret: dGhlIGNvb2tpZSBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
";

/// A directory for the files of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self, text: &str, env: &Environment) -> Result<Loaded, Problems> {
        load(Some(&self.file("c.yaml", text)), env, 1)
    }
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn load_text(text: &str) -> Result<Loaded, Problems> {
    Folder::new().load(text, &Environment::new())
}

/// The plan of [`BASE`] and `more`.
#[track_caller]
fn plan(more: &str) -> Plan {
    load_text(&format!("{BASE}{more}")).unwrap_or_else(|problems| panic!("{more}\n{problems:#?}")).plan
}

/// The problems of [`BASE`] and `more`, loaded or not.
fn problems(more: &str) -> Vec<Problem> {
    match load_text(&format!("{BASE}{more}")) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.list,
    }
}

/// The texts of the errors of [`BASE`] and `more`.
fn errors(more: &str) -> Vec<String> {
    problems(more).into_iter().filter(|p| p.severity == Severity::Error).map(|p| p.message).collect()
}

/// The texts of the warnings of [`BASE`] and `more`, which must load.
#[track_caller]
fn warnings(more: &str) -> Vec<String> {
    let loaded = load_text(&format!("{BASE}{more}")).unwrap_or_else(|problems| panic!("{more}\n{problems:#?}"));
    loaded.warnings.into_iter().map(|p| p.message).collect()
}

/// A configuration with one public route that also says `more` (lines without indentation).
fn route(more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!("routes:\n  - from: https://a.example\n    allow_public_unauthenticated_access: true\n{more}")
}

#[test]
fn the_minimal_example_of_pomerium_loads() {
    let text = "\
authenticate_service_url: https://authenticate.example.com
idp_provider: oidc
idp_provider_url: https://idp.example.com
idp_client_id: c
idp_client_secret: s
routes:
  - from: https://app.example.com
    to: [http://10.0.0.1:8080, http://10.0.0.2:8080]
    pass_identity_headers: true
    policy:
      - allow: {and: [{domain: {is: example.com}}]}
";
    let loaded = load_text(text).unwrap();
    let route = loaded.plan.routes.iter().next().unwrap();
    assert!(route.pass_identity && route.policy.needs_session());
    assert_eq!(route.action.cluster().unwrap().endpoints.load().len(), 2);
    assert_eq!(loaded.plan.listener.address, "[::]:443".parse().unwrap());
    let warnings: Vec<_> = loaded.warnings.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(warnings, ["certificates", "cookie_secret", "shared_secret"]);
}

#[test]
fn the_example_in_the_repository_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vallum.yaml");
    let loaded = load(Some(&path), &Environment::new(), 1).unwrap();
    assert_eq!(loaded.plan.routes.len(), 8);
    let warnings: Vec<_> = loaded.warnings.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(warnings, ["certificates", "cookie_secret", "shared_secret"]);
    assert_eq!(loaded.watched, [path]);
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let folder = Folder::new();
    let address = |text: &str, env: &[(&str, &str)]| {
        let text = format!("{BASE}{text}");
        folder.load(&text, &environment(env)).unwrap().plan.listener.address.to_string()
    };
    assert_eq!(address("", &[]), "[::]:443");
    assert_eq!(address("ADDRESS: 127.0.0.1:1", &[]), "127.0.0.1:1");
    assert_eq!(address("address: 127.0.0.1:1", &[("ADDRESS", ":2")]), "[::]:2");
    assert_eq!(address("address: 127.0.0.1:1", &[("ADDRESS", ":2"), ("VALLUM_ADDRESS", ":3")]), "[::]:3");
}

#[test]
fn the_environment_alone_is_enough() {
    use base64::Engine;
    let routes = "- from: https://a.example\n  to: http://127.0.0.1:1\n  allow_public_unauthenticated_access: true\n";
    let policy = base64::engine::general_purpose::STANDARD.encode(routes);
    let env = environment(&[("POLICY", &policy), ("INSECURE_SERVER", "yes"), ("HEADERS", "X-A:b,X-C: d")]);
    let loaded = load(None, &env, 7).unwrap();
    assert_eq!((loaded.plan.generation, loaded.plan.routes.len()), (7, 1));
    let route = loaded.plan.routes.iter().next().unwrap();
    assert_eq!(route.response_headers, [("x-a".into(), "b".into()), ("x-c".into(), "d".into())]);
    assert!(loaded.watched.is_empty());
}

#[test]
fn variables_that_cannot_be_read_are_named() {
    for (name, value, message) in [
        ("POLICY", "%%%", "base64 decoding policy data: "),
        ("POLICY", "e30=", "expected a list of routes, found a map"),
        ("POLICY", "W3s=", "parsing base64-encoded policy data as yaml: "),
        ("HEADERS", "nonsense", "config: failed to parse headers: failed to decode headers from 'nonsense'"),
        ("HEADERS", "{\"a\": 1}", "config: failed to parse headers: failed to decode headers from '{\"a\": 1}'"),
        ("TIMEOUT_IDLE", "soon", "time: invalid duration \"soon\""),
    ] {
        let problems = load(None, &environment(&[(name, value)]), 1).unwrap_err();
        let first = &problems.list[0];
        assert!(first.message.contains(message), "{name}={value}: {}", first.message);
        assert_eq!(first.variable.as_deref(), Some(name), "{value}");
        assert_eq!(first.place, None);
    }
}

#[test]
fn equal_configurations_have_equal_checksums() {
    let folder = Folder::new();
    let key = folder.file("secret", "dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=");
    let sum = |text: &str, env: &[(&str, &str)]| folder.load(text, &environment(env)).unwrap().plan.checksum;
    let text = format!("insecure_server: true\nshared_secret_file: {}\n", key.display());
    let first = sum(&text, &[]);
    assert_eq!(first, sum(&format!("# a comment\n{text}"), &[]));
    assert_ne!(first, sum(&format!("{text}cookie_name: x"), &[]));
    assert_ne!(first, sum(&text, &[("HEADERS", "a:b")]));
    folder.file("secret", "YW5vdGhlciBzaGFyZWQgc2VjcmV0IG9mIHRlc3RzISE=");
    assert_ne!(first, sum(&text, &[]), "the content of named files counts");
}

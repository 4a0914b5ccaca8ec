//! Secrets that the service manager hands over.

use super::*;

const SECRET: &str = "dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=";
const OTHER: &str = "YW5vdGhlciBzZWNyZXQgb2YgYWxsIHRoZSB0ZXN0cyE=";

/// The shared secret of `text` with `credentials` at hand, and the warnings.
fn loaded(text: &str, credentials: &[(&str, &str)]) -> Loaded {
    let (folder, store) = (Folder::new(), Folder::new());
    for (name, content) in credentials {
        store.file(name, content);
    }
    let env = environment(&[("CREDENTIALS_DIRECTORY", store.0.path().to_str().unwrap())]);
    folder.load(text, &env).unwrap()
}

#[test]
fn a_credential_stands_for_the_key_that_nobody_gave() {
    let both = [("vallum.shared_secret", SECRET), ("vallum.cookie_secret", OTHER)];
    let given = loaded("insecure_server: true\n", &both);
    assert_eq!(given.warnings, []);
    let inline = loaded(&format!("insecure_server: true\nshared_secret: {SECRET}\ncookie_secret: {OTHER}\n"), &[]);
    let sealed = inline.plan.identity.session_sealer.seal(b"x", b"y");
    assert_eq!(given.plan.identity.session_sealer.open(sealed.as_bytes(), b"y").unwrap(), b"x");
}

#[test]
fn what_the_configuration_says_goes_before_a_credential() {
    let both = [("vallum.shared_secret", "no secret at all"), ("vallum.cookie_secret", "nor this")];
    assert_eq!(loaded(BASE, &both).warnings, []);
}

#[test]
fn a_bare_name_in_a_file_key_is_a_credential() {
    let text = "insecure_server: true\nshared_secret_file: mine\ncookie_secret_file: mine\n";
    assert_eq!(loaded(text, &[("mine", SECRET)]).warnings, []);
    let error = load_text(text).unwrap_err();
    assert!(error.list[0].message.contains("`shared_secret_file`: No such file"), "{:?}", error.list);
}

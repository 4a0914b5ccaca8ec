//! Secrets, cookies, the identity provider, claim headers, our own URLs.

use std::time::Duration;

use super::*;
use crate::plan::identity::SameSite;

const IDP: &str = "idp_provider: oidc\nidp_provider_url: https://idp.example\nidp_client_id: c\nidp_client_secret: s\n";

#[test]
fn wrong_secrets_are_named_and_never_shown() {
    let cookie = "cookie_secret: dGhlIGNvb2tpZSBzZWNyZXQgb2YgYWxsIHRlc3RzISE=\ninsecure_server: true\n";
    for (secret, message) in [
        ("c2hvcnQ=", "config: invalid shared secret: the secret has 5 bytes after base64 decoding, expected 32"),
        ("not&base64", "config: invalid shared secret: the secret is not base64"),
        ("dGhlIHNoYXJlZCBz ZWNyZXQ=", "config: invalid shared secret: shared secret contains whitespace"),
    ] {
        let problems = load_text(&format!("{cookie}shared_secret: {secret}\n")).unwrap_err();
        assert_eq!(problems.list.len(), 1);
        assert!(problems.list[0].message.starts_with(message), "{}", problems.list[0].message);
        let mut text = String::new();
        render::text(&problems.list, false, &mut text).unwrap();
        assert!(!text.contains(secret) && !render::json(&problems.list).to_string().contains(secret), "{text}");
        assert!(text.contains("c.yaml:3:") && text.contains("3 | shared_secret:"), "{text}");
    }
}

#[test]
fn secrets_come_from_files_trimmed_and_files_win() {
    let folder = Folder::new();
    let file = folder.file("s", "dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=\n");
    let client = folder.file("client", "hidden\n\n");
    let text = format!(
        "insecure_server: true\nshared_secret: bm90IHVzZWQ=\nshared_secret_file: {0}\ncookie_secret_file: {0}\n\
         idp_provider: oidc\nidp_provider_url: https://idp.example\nidp_client_id: c\nidp_client_secret_file: {1}\n",
        file.display(),
        client.display()
    );
    let loaded = folder.load(&text, &Environment::new()).unwrap();
    assert_eq!(loaded.plan.identity.shared_secret.bytes(), b"the shared secret of all tests!!");
    assert_eq!(loaded.plan.identity.provider.as_ref().unwrap().client_secret.0, "hidden");
    assert_eq!(loaded.watched, [folder.0.path().join("c.yaml"), client, file]);
    let warnings: Vec<_> = loaded.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(warnings, ["both `shared_secret` and `shared_secret_file` are set; the file wins"]);
}

#[test]
fn a_missing_secret_file_is_one_error() {
    let text = "insecure_server: true\nshared_secret_file: /nonexistent/a\ncookie_secret_file: /nonexistent/b\n";
    let problems = load_text(text).unwrap_err();
    let keys: Vec<_> = problems.list.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["shared_secret_file", "cookie_secret_file"]);
    assert!(problems.list[0].message.contains("/nonexistent/a"));
}

#[test]
fn missing_secrets_are_made_up_with_a_warning() {
    let loaded = load_text("insecure_server: true").unwrap();
    assert_eq!(loaded.warnings.len(), 2);
    assert!(loaded.warnings[1].message.contains("every session ends at restart"));
    let other = load_text("insecure_server: true").unwrap();
    assert_ne!(loaded.plan.identity.shared_secret.bytes(), other.plan.identity.shared_secret.bytes());
}

#[test]
fn the_assertion_key_is_derived_from_the_shared_secret_or_configured() {
    assert_eq!(plan("").identity.signer.key_id(), plan("cookie_name: x").identity.signer.key_id());
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let folder = Folder::new();
    let file = folder.file("key.pem", &key);
    let loaded = folder.load(&format!("{BASE}signing_key_file: {}", file.display()), &Environment::new()).unwrap();
    assert_ne!(loaded.plan.identity.signer.key_id(), plan("").identity.signer.key_id());
    let errors = errors("signing_key: nonsense!");
    assert!(errors[0].starts_with("couldn't derive JWT signing key: "), "{errors:?}");
}

#[test]
fn cookies_are_as_typed() {
    let cookie = plan("").identity.cookie;
    assert_eq!((&*cookie.name, cookie.domain, cookie.http_only), ("_pomerium", None, true));
    assert_eq!((cookie.expire, cookie.same_site), (Duration::from_secs(14 * 3600), None));
    let typed = plan(
        "cookie_name: _x\ncookie_domain: .Example.com\ncookie_http_only: 'false'\ncookie_expire: 1h30m\ncookie_same_site: Lax\n",
    );
    let cookie = typed.identity.cookie;
    assert_eq!((&*cookie.name, cookie.domain.as_deref(), cookie.http_only), ("_x", Some("example.com"), false));
    assert_eq!((cookie.expire, cookie.same_site), (Duration::from_secs(5400), Some(SameSite::Lax)));
    for text in [
        "cookie_name: 'a b'",
        "cookie_name: \"a\\r\\nb\"",
        "cookie_domain: '*.x'",
        "cookie_domain: 'a b'",
        "cookie_expire: 0",
    ] {
        assert_eq!(errors(text).len(), 1, "{text}");
    }
    let text = format!("cookie_domain: other.example\n{}", route("to: http://127.0.0.1:1"));
    assert!(warnings(&text)[0].contains("does not cover the host a.example"));
}

#[test]
fn the_provider_is_as_typed() {
    let provider = plan(IDP).identity.provider.unwrap();
    assert_eq!(provider.issuer.as_str(), "https://idp.example/");
    assert_eq!(provider.scopes, ["openid", "profile", "email", "offline_access"]);
    let more = format!("{IDP}idp_scopes: openid email\nidp_request_params: '{{\"prompt\": \"login\"}}'\n");
    let other = plan(&more).identity.provider.unwrap();
    assert_eq!(other.scopes, ["openid", "email"]);
    assert_eq!(other.request_params, [("prompt".to_owned(), "login".to_owned())]);
    assert_eq!(provider.id, other.id);
    let renamed = plan(&IDP.replace("idp_client_id: c", "idp_client_id: d")).identity.provider.unwrap();
    assert_ne!(provider.id, renamed.id);
}

#[test]
fn wrong_providers_are_errors() {
    for (from, to, error) in [
        ("https://idp.example", "http://idp.example", "must use https (http allowed only for loopback)"),
        ("https://idp.example", "idp.example", "does not contain a valid scheme"),
        ("idp_provider_url: https://idp.example\n", "", "`idp_provider_url` is required"),
        ("idp_client_id: c\n", "", "`idp_client_id` is required"),
        ("idp_provider: oidc", "idp_provider: okta", "`idp_provider: okta` is not supported by this version yet"),
        ("idp_provider: oidc", "idp_provider: odic", "unknown identity provider \"odic\""),
        ("idp_provider: oidc\n", "", "`idp_provider_url` is set, but `idp_provider` is not"),
        ("idp_client_secret: s", "idp_request_params: {State: x}", "\"State\" belongs to the protocol"),
    ] {
        let errors = errors(&IDP.replace(from, to));
        assert!(errors.len() == 1 && errors[0].contains(error), "{to}: {errors:?}");
    }
    for url in ["http://localhost:9", "http://127.0.0.1:9/x", "http://idp.localhost", "http://[::1]:9"] {
        assert_eq!(errors(&IDP.replace("https://idp.example", url)), [""; 0], "{url}");
    }
    assert!(warnings(&format!("{IDP}idp_scopes: [email]"))[0].contains("without `openid`"));
    assert!(warnings(&IDP.replace("idp_client_secret: s\n", ""))[0].contains("as a public one"));
}

#[test]
fn a_route_that_needs_sign_in_without_a_provider_warns() {
    let private = "routes: [{from: https://a.example, to: http://127.0.0.1:1, allow_any_authenticated_user: true}]";
    assert!(warnings(private)[0].contains("nobody can sign in"));
    assert_eq!(warnings(&route("to: http://127.0.0.1:1")), [""; 0]);
}

#[test]
fn claim_headers_are_read_in_each_form() {
    let expected =
        [("x-pomerium-claim-email".into(), "email".into()), ("x-pomerium-claim-groups".into(), "groups".into())];
    for text in ["[email, groups]", "email,groups", "email groups", "\"email, groups\""] {
        assert_eq!(plan(&format!("jwt_claims_headers: {text}")).identity.claim_headers, expected, "{text}");
    }
    for text in ["{X-Email: email}", "'{\"X-Email\": \"email\"}'"] {
        let headers = plan(&format!("jwt_claims_headers: {text}")).identity.claim_headers;
        assert_eq!(headers, [("x-email".into(), "email".into())], "{text}");
    }
    for (text, error) in [
        ("5", "JWTClaimHeaders must be an object or an array of values, got: a number"),
        ("{'X Y': email}", "`jwt_claims_headers` has invalid header name \"x y\""),
        ("{Connection: email}", "`jwt_claims_headers`: the header \"connection\" is not free to be set"),
        (
            "{X-Pomerium-Jwt-Assertion: email}",
            "`jwt_claims_headers`: the header \"x-pomerium-jwt-assertion\" is not free to be set",
        ),
        ("[email, Email]", "`jwt_claims_headers`: the header \"x-pomerium-claim-email\" is named twice"),
        ("{X-A: ''}", "`jwt_claims_headers`: no claim is named for \"x-a\""),
    ] {
        assert_eq!(errors(&format!("jwt_claims_headers: {text}")), [error], "{text}");
    }
}

#[test]
fn our_own_urls_are_checked() {
    let identity =
        plan("authenticate_service_url: https://Auth.Example\nsignout_redirect_url: https://x/bye?a=b\n").identity;
    assert!(identity.is_authenticate_host("auth.example"));
    assert_eq!(identity.signout_redirect.unwrap().as_str(), "https://x/bye?a=b");
    assert_eq!(identity.programmatic_domains, ["localhost"]);
    for (text, error) in [
        (
            "authenticate_service_url: auth.example",
            "config: bad authenticate-url auth.example : auth.example url does not contain a valid scheme",
        ),
        (
            "authenticate_service_url: https://auth.example/x",
            "config: bad authenticate-url https://auth.example/x : a path is not expected here",
        ),
        (
            "authenticate_service_url: ftp://auth.example",
            "config: bad authenticate-url ftp://auth.example : ftp://auth.example url does not contain a valid scheme (http or https)",
        ),
        ("signout_redirect_url: /bye", "config: bad signout-redirect-url /bye : relative URL without a base"),
        (
            "signout_redirect_url: 'javascript:alert(1)'",
            "config: bad signout-redirect-url javascript:alert(1) : javascript:alert(1) url does not contain a valid scheme",
        ),
    ] {
        assert_eq!(errors(text), [error], "{text}");
    }
}

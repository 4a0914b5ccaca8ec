//! Keys that are unknown, not supported yet, old or removed.

use super::*;

#[test]
fn unknown_keys_warn_with_their_place_and_the_nearest_key() {
    let problems = problems(
        "adress: :1\nnothing_like_it: 1\nroutes:\n  - from: https://a.example\n    too: x\n    to: http://127.0.0.1:1\n",
    );
    let seen: Vec<_> = problems
        .iter()
        .filter(|p| p.message.starts_with("unknown"))
        .map(|p| (p.place.as_ref().unwrap().line, p.key.as_str(), p.help.as_deref()))
        .collect();
    let expected = [
        (4, "adress", Some("did you mean `address`?")),
        (5, "nothing_like_it", None),
        (8, "routes[0].too", Some("did you mean `to`?")),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn removed_keys_are_fatal_in_both_lists_and_at_the_top() {
    for (text, key) in [
        ("client_ca: x", "client_ca"),
        ("tracing_provider: x", "tracing_provider"),
        ("routes: [{from: https://a.example, to: http://h, allowed_groups: [x]}]", "routes[0].allowed_groups"),
        ("policy: [{from: https://a.example, to: http://h, allowed_groups: [x]}]", "policy[0].allowed_groups"),
        (
            "routes: [{from: https://a.example, to: http://h, Set_Authorization_Header: x}]",
            "routes[0].Set_Authorization_Header",
        ),
    ] {
        let expected = [
            format!("config option was removed: `{key}`"),
            "some configuration options are no longer supported, please check logs for details".to_owned(),
        ];
        assert_eq!(errors(text), expected, "{text}");
    }
}

#[test]
fn keys_of_later_versions_warn_unless_ignoring_them_is_dangerous() {
    for text in [
        "grpc_address: :5443",
        "runtime_flags: {mcp: true}",
        "forward_auth_url: https://x",
        "headers: {a: b}",
        "databroker_storage_type: postgres",
        "codec_type: http3",
    ] {
        assert_eq!(warnings(text).len(), 1, "{text}");
    }
    for text in [
        "autocert: true",
        "identity_providers: {a: {issuer: https://x}}",
        "metrics_basic_auth: x",
        "bearer_token_format: jwt",
        "services: proxy",
        "idp_provider: google",
    ] {
        let errors = errors(text);
        assert!(errors.len() == 1 && errors[0].contains("not supported by this version yet"), "{text}: {errors:?}");
    }
    for text in [
        "autocert: false",
        "services: all",
        "services: authenticate,authorize,cache,proxy",
        "databroker_storage_type: memory",
        "bearer_token_format: default",
        "xff_num_trusted_hops: 0",
        "downstream_mtls: {}",
        "grpc_insecure: false",
        "jwt_groups_filter: []",
        "codec_type: AUTO",
    ] {
        assert_eq!(warnings(text), [""; 0], "{text}");
    }
}

#[test]
fn route_keys_that_would_serve_something_else_are_errors() {
    for key in [
        "tls_downstream_server_name: x",
        "kubernetes_service_account_token: x",
        "mcp: {client: {}}",
        "idp_client_id: x",
    ] {
        let errors = errors(&route(&format!("to: http://127.0.0.1:1\n{key}")));
        assert!(errors.len() == 1 && errors[0].contains("not supported by this version yet"), "{key}: {errors:?}");
    }
    let mild =
        route("to: http://127.0.0.1:1\nhealth_checks: [x]\nload_balancing_policy: round_robin\ndepends_on: []\n");
    assert_eq!(warnings(&mild), ["`routes[0].health_checks` is not supported by this version yet; it is ignored"]);
}

#[test]
fn keys_that_differ_in_case_alone_are_duplicates() {
    assert_eq!(errors("Address: :1\naddress: :2"), ["duplicate key `address`"]);
    assert_eq!(errors("address: :1\naddress: :2"), ["duplicate key `address`"]);
    let text = route("to: http://127.0.0.1:1\nTO: http://127.0.0.1:2");
    assert_eq!(errors(&text), ["duplicate key `TO`"]);
}

#[test]
fn enumerations_are_checked() {
    for (text, error) in [
        ("services: all,nonsense", "config: nonsense is an invalid service type"),
        ("databroker_storage_type: redis", "config: unknown databroker storage backend type"),
        ("codec_type: spdy", "invalid codec type: spdy"),
        ("log_level: loud", "config: invalid log_level: unknown log level: loud"),
        ("proxy_log_level: loud", "config: invalid proxy_log_level: unknown log level: loud"),
        ("cookie_same_site: maybe", "config: invalid cookie_same_site: unknown cookie_same_site: maybe"),
        (
            "path_with_escaped_slashes_action: maybe",
            "unsupported enum value maybe for path_with_escaped_slashes_action",
        ),
        ("headers_with_underscores_action: maybe", "unsupported enum value maybe for headers_with_underscores_action"),
    ] {
        assert_eq!(errors(text), [error], "{text}");
    }
}

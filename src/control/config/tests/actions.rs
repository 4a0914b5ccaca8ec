//! What routes do: redirects, fixed responses, rewriting, header edits, upgrades, time limits.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::plan::field_rules::{FieldRules, Underscores};
use crate::plan::route::action::{Action, NewPath, Redirect, Reply};
use crate::plan::route::rewrite::{HostRewrite, PathRewrite};
use crate::plan::route::upgrades::Upgrades;
use crate::plan::route::{ResponseRewrite, Route};

#[track_caller]
fn one(more: &str) -> Arc<Route> {
    plan(&route(more)).routes.iter().next().unwrap().clone()
}

/// The errors of a route to somewhere that also says `more`.
fn upstream_errors(more: &str) -> Vec<String> {
    errors(&route(&format!("to: http://127.0.0.1:1\n{more}")))
}

fn upstream_warnings(more: &str) -> Vec<String> {
    warnings(&route(&format!("to: http://127.0.0.1:1\n{more}")))
}

#[test]
fn redirects_are_as_typed() {
    let plain =
        || Redirect { status: 301, scheme: None, host: None, port: None, path: NewPath::AsAsked, strip_query: false };
    let https = || Some("https".into());
    for (text, expected) in [
        ("{https_redirect: true}", Redirect { scheme: https(), ..plain() }),
        ("{https_redirect: false, port_redirect: 1}", Redirect { port: Some(1), ..plain() }),
        ("{scheme_redirect: HTTPS, response_code: 308}", Redirect { scheme: https(), status: 308, ..plain() }),
        ("{host_redirect: B.example, response_code: 0}", Redirect { host: Some("b.example".into()), ..plain() }),
        (
            "{host_redirect: 'b:81', port_redirect: '8443'}",
            Redirect { host: Some("b:81".into()), port: Some(8443), ..plain() },
        ),
        (
            "{path_redirect: /x?y=1, strip_query: true}",
            Redirect { path: NewPath::Whole("/x?y=1".into()), strip_query: true, ..plain() },
        ),
        (
            "{prefix_rewrite: /x//y, response_code: 302}",
            Redirect { path: NewPath::Prefix("/x/y".into()), status: 302, ..plain() },
        ),
    ] {
        match &one(&format!("redirect: {text}")).action {
            Action::Redirect(redirect) => assert_eq!(*redirect, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn wrong_redirects_and_responses_are_errors() {
    for (more, error) in [
        (
            "redirect: {response_code: 300}",
            "unsupported redirect response code 300 (supported values: 301, 302, 303, 307, 308)",
        ),
        ("redirect: https", "`routes[0].redirect`: expected a map like `{https_redirect: true}`, found a string"),
        ("redirect: {host_redirect: 'a b'}", "`routes[0].redirect.host_redirect`: the host holds a byte"),
        ("redirect: {host_redirect: 'a@b'}", "`routes[0].redirect.host_redirect`: the host carries user information"),
        ("redirect: {port_redirect: 70000}", "`routes[0].redirect.port_redirect`: expected a whole number"),
        ("redirect: {path_redirect: \"/a\\r\\nb\"}", "`routes[0].redirect.path_redirect`: expected a path"),
        ("redirect: {path_redirect: x}", "`routes[0].redirect.path_redirect`: expected a path"),
        ("redirect: {prefix_rewrite: x}", "`routes[0].redirect.prefix_rewrite`: the path does not start with a slash"),
        ("redirect: {scheme_redirect: 'a:b'}", "`routes[0].redirect.scheme_redirect`: \"a:b\" is no scheme"),
        ("response: {body: x}", "`routes[0].response` needs a `status`"),
        ("response: {status: 101}", "`routes[0].response.status`: expected a whole number from 200 to 599"),
        ("response: 200", "`routes[0].response`: expected a map with `status` and `body`, found a number"),
        ("to: http://h\nresponse: {status: 200}", "`routes[0].response` cannot stand beside `routes[0].to`"),
        (
            "redirect: {https_redirect: true}\nresponse: {status: 200}",
            "`routes[0].response` cannot stand beside `routes[0].redirect`",
        ),
        ("name: x", "config: policy should have either `to` or `redirect` or `response` defined"),
    ] {
        let errors = errors(&route(more));
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{more}: {errors:?}");
    }
    let large = format!("response: {{status: 200, body: '{}'}}", "x".repeat(65 * 1024));
    assert!(errors(&route(&large))[0].contains("larger than 65536 bytes"));
}

#[test]
fn redirects_that_lead_nowhere_new_warn() {
    for (more, part) in [
        ("redirect: {strip_query: true}", "leads to where it came from"),
        (
            "redirect: {https_redirekt: true, port_redirect: 1}",
            "unknown config option `routes[0].redirect.https_redirekt`",
        ),
        (
            "redirect: {https_redirect: true, scheme_redirect: http, port_redirect: 1}",
            "`routes[0].redirect.https_redirect` has no effect",
        ),
        ("redirect: {path_redirect: /a, prefix_rewrite: /b}", "`routes[0].redirect.prefix_rewrite` has no effect"),
    ] {
        let warnings = warnings(&route(more));
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{more}: {warnings:?}");
    }
    assert_eq!(warnings(&route("redirect: {https_redirect: true}")), [""; 0], "from a clear listener it leads on");
}

#[test]
fn responses_are_as_typed() {
    for (text, status, body) in [
        ("{status: 200, body: hello}", 200, "hello"),
        ("{status: '404'}", 404, ""),
        ("{status: 503, body: 5}", 503, "5"),
    ] {
        match &one(&format!("response: {text}")).action {
            Action::Respond(reply) => assert_eq!(*reply, Reply { status, body: body.into() }, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn ids_know_what_a_route_does() {
    let ids: std::collections::HashSet<u64> = [
        "to: http://h",
        "redirect: {https_redirect: true}",
        "redirect: {scheme_redirect: https}",
        "redirect: {port_redirect: 301}",
        "redirect: {response_code: 301, port_redirect: 1}",
        "response: {status: 200}",
        "response: {status: 200, body: x}",
    ]
    .iter()
    .map(|more| one(more).id)
    .collect();
    assert_eq!(ids.len(), 7);
}

#[test]
fn paths_are_rewritten_by_the_first_option() {
    let prefix = |more: &str| match one(more).path_rewrite.clone() {
        Some(PathRewrite::Prefix(prefix)) => Some(prefix.to_string()),
        None => None,
        other => panic!("{more}: {other:?}"),
    };
    for (more, expected) in [
        ("to: http://h", None),
        ("to: http://h/", None),
        ("to: http://h/base/", Some("/base/")),
        ("to: [http://h/base, http://i/base]", Some("/base")),
        ("to: http://h/base\nprefix_rewrite: /x", Some("/x")),
        ("to: http://h\nprefix_rewrite: ' /caf%c3%a9 '", Some("/caf%C3%A9")),
        ("to: http://h\nprefix_rewrite: ''", None),
    ] {
        assert_eq!(prefix(more).as_deref(), expected, "{more}");
    }
    let regex = one("to: http://h/base\nregex_rewrite_pattern: ^/a/(.*)$\nregex_rewrite_substitution: /b/\\1");
    let rewrite = regex.path_rewrite.as_ref().unwrap();
    assert_eq!(rewrite.apply(&regex.path, "/a/x").as_deref(), Some("/b/x"));
    let weighted = one("to: ['http://h/base,1', 'http://i/base,3']").action.cluster().unwrap().targets.clone();
    assert_eq!(
        weighted.iter().map(|t| (t.host.to_string(), t.weight)).collect::<Vec<_>>(),
        [("h".to_owned(), 1), ("i".to_owned(), 3)]
    );
    let warnings = warnings(&route("to: [http://h/a, http://i/b]"));
    assert!(warnings[0].contains("the path of the first URL is used for all"), "{warnings:?}");
}

#[test]
fn wrong_rewrites_are_errors() {
    for (more, error) in [
        (
            "prefix_rewrite: /x\nregex_rewrite_pattern: a",
            "config: only prefix_rewrite or regex_rewrite_pattern can be specified, but not both",
        ),
        ("prefix_rewrite: x", "`routes[0].prefix_rewrite`: the path does not start with a slash, found \"x\""),
        ("prefix_rewrite: '/a b'", "`routes[0].prefix_rewrite`: the path holds byte 0x20"),
        ("prefix_rewrite: '/a?b'", "`routes[0].prefix_rewrite`: the path holds byte 0x3f"),
        ("regex_rewrite_pattern: (", "`routes[0].regex_rewrite_pattern`: invalid expression: unclosed group"),
        (
            "regex_rewrite_pattern: a\nregex_rewrite_substitution: \\1",
            "`routes[0].regex_rewrite_substitution`: \\1 refers to a group that the pattern does not have (it has 0)",
        ),
        (
            "regex_rewrite_pattern: a\nregex_rewrite_substitution: \\x",
            "`routes[0].regex_rewrite_substitution`: a backslash must be followed by a digit",
        ),
        ("host_rewrite: 'a b'", "`routes[0].host_rewrite`: the host holds a byte"),
        ("host_rewrite: http://a", "`routes[0].host_rewrite`: the port is not a number"),
        ("host_rewrite_header: 'a b'", "`routes[0].host_rewrite_header`: \"a b\" is not a header name"),
        (
            "host_rewrite_header: X-Pomerium-Claim-Host",
            "`routes[0].host_rewrite_header`: the header \"x-pomerium-claim-host\" is never believed of a client",
        ),
        ("host_path_regex_rewrite_pattern: (", "`routes[0].host_path_regex_rewrite_pattern`: invalid expression"),
    ] {
        let errors = upstream_errors(more);
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{more}: {errors:?}");
    }
    assert_eq!(
        upstream_warnings("regex_rewrite_substitution: x"),
        ["`routes[0].regex_rewrite_substitution` has no effect without a pattern"]
    );
}

#[test]
fn hosts_are_rewritten_by_the_first_option() {
    let all = [
        "host_rewrite: B.example:81",
        "host_rewrite_header: X-Host",
        "host_path_regex_rewrite_pattern: ^/([^/]+)/.*$\nhost_path_regex_rewrite_substitution: \\1.example",
        "preserve_host_header: true",
    ];
    let shown = |rewrite: &HostRewrite| match rewrite {
        HostRewrite::Endpoint => "endpoint".to_owned(),
        HostRewrite::Client => "client".to_owned(),
        HostRewrite::Literal(host) => host.to_string(),
        HostRewrite::Field(name) => format!("field {name}"),
        HostRewrite::Path(substitution) => substitution.apply("/a/x").unwrap(),
    };
    for (start, expected) in ["b.example:81", "field x-host", "a.example", "client", "endpoint"].iter().enumerate() {
        let more = format!("to: http://h\n{}", all[start..].join("\n"));
        assert_eq!(shown(&one(&more).host_rewrite), *expected, "{more}");
        let unheard = warnings(&route(&more));
        assert_eq!(unheard.len(), 3usize.saturating_sub(start), "{unheard:?}");
    }
    assert_eq!(shown(&one("to: http://h\npreserve_host_header: false").host_rewrite), "endpoint");
}

#[test]
fn response_fields_are_rewritten_as_typed() {
    let more =
        "to: http://h\nrewrite_response_headers: [{header: Location, prefix: 'http://in/', value: 'https://out/'}]";
    let expected =
        ResponseRewrite { name: "location".into(), prefix: "http://in/".into(), value: "https://out/".into() };
    assert_eq!(one(more).response_rewrites, [expected]);
    for (typed, error) in [
        ("x", "`routes[0].rewrite_response_headers`: expected a list of {header, prefix, value}, found a string"),
        ("[x]", "`routes[0].rewrite_response_headers[0]`: expected a map with `header`, `prefix` and `value`"),
        ("[{prefix: a}]", "`routes[0].rewrite_response_headers[0]`: \"\" is not a header name"),
        ("[{header: Connection}]", "`routes[0].rewrite_response_headers[0]`: the header \"connection\" belongs"),
        ("[{header: X, value: \"a\\nb\"}]", "`routes[0].rewrite_response_headers[0]`: the prefix or value for \"x\""),
    ] {
        let errors = upstream_errors(&format!("rewrite_response_headers: {typed}"));
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{typed}: {errors:?}");
    }
}

#[test]
fn references_that_are_always_empty_warn() {
    for (value, part) in [
        ("${pomerium.nonsense}", "$pomerium.nonsense is always empty"),
        ("${pomerium.request.headers[\"X-Pomerium-Claim-Email\"]}", "[\"x-pomerium-claim-email\"] is always empty"),
    ] {
        let warnings = upstream_warnings(&format!("set_request_headers: {{X-A: '{value}'}}"));
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{value}: {warnings:?}");
    }
    let fine = "set_request_headers: {X-A: '$5 ${pomerium.jwt} ${pomerium.client_cert_fingerprint}'}";
    assert_eq!(upstream_warnings(fine), [""; 0]);
    let route = one(&format!("to: http://h\n{fine}"));
    assert!(route.vouches() && route.asks_who() && !route.pass_identity);
}

#[test]
fn upgrades_of_a_route_replace_those_of_all() {
    let upgrades = |top: &str, more: &str| {
        let plan = plan(&format!("{top}\n{}", route(&format!("to: http://h\n{more}"))));
        plan.routes.iter().next().unwrap().upgrades.clone()
    };
    for (top, more, expected) in [
        ("", "", &[][..]),
        ("", "allow_websockets: true", &["websocket"]),
        ("", "allow_spdy: true", &["spdy/3.1"]),
        ("allow_upgrades: [A, b/2]", "", &["a", "b/2"]),
        ("allow_upgrades: a,b", "allow_upgrades: [c]", &["c"]),
        ("allow_upgrades: [a]", "allow_upgrades: []", &[]),
        ("allow_upgrades: [a]", "allow_websockets: true", &["a", "websocket"]),
        ("allow_upgrades: [a]", "allow_upgrades: [c]\nallow_spdy: true", &["c", "spdy/3.1"]),
    ] {
        assert_eq!(upgrades(top, more), Upgrades::new(expected.iter().copied()), "{top} {more}");
    }
    for (name, part) in [("h2c", "past their policy"), ("TLS/1.0", "past their policy"), ("a b", "expected a protocol")]
    {
        let errors = upstream_errors(&format!("allow_upgrades: ['{name}']"));
        assert!(errors.len() == 1 && errors[0].contains(part), "{name}: {errors:?}");
    }
    let ignored = warnings("allow_upgrades: [CONNECT-UDP]");
    assert_eq!(ignored, ["`allow_upgrades[0]`: connect-udp is not supported by this version yet; it is ignored"]);
}

#[test]
fn idle_timeouts_follow_pomerium() {
    let minutes = |n: u64| Some(Duration::from_secs(60 * n));
    for (more, timeout, idle) in [
        ("", Some(Duration::from_secs(30)), minutes(5)),
        ("idle_timeout: 1m", Some(Duration::from_secs(30)), minutes(1)),
        ("idle_timeout: 0", Some(Duration::from_secs(30)), None),
        ("timeout: 0", None, minutes(5)),
        ("allow_websockets: true", None, None),
        ("allow_websockets: true\nidle_timeout: 1m", None, minutes(1)),
        ("allow_upgrades: [WebSocket]", None, None),
        ("allow_spdy: true", Some(Duration::from_secs(30)), minutes(5)),
    ] {
        let route = one(&format!("to: http://h\n{more}"));
        assert_eq!((route.timeout, route.idle_timeout), (timeout, idle), "{more}");
        assert_eq!(route.timeout_is_default, !more.contains("\ntimeout") && !more.starts_with("timeout"), "{more}");
    }
}

#[test]
fn rules_for_fields_are_as_typed() {
    assert_eq!(plan("").field_rules, FieldRules::default());
    for (text, expected) in [
        (
            "headers_with_underscores_action: ALLOW",
            FieldRules { underscores: Underscores::Allow, ..Default::default() },
        ),
        (
            "headers_with_underscores_action: drop_header",
            FieldRules { underscores: Underscores::Drop, ..Default::default() },
        ),
        ("headers_with_underscores_action: reject_request", FieldRules::default()),
        ("xff_num_trusted_hops: '2'", FieldRules { trusted_hops: 2, ..Default::default() }),
        ("skip_xff_append: true", FieldRules { skip_append: true, ..Default::default() }),
    ] {
        assert_eq!(plan(text).field_rules, expected, "{text}");
    }
    assert_eq!(errors("xff_num_trusted_hops: -1").len(), 1);
}

#[test]
fn ports_of_from_that_are_the_schemes_own_need_not_be_named() {
    let table = |from: &str| {
        plan(&format!("routes: [{{from: '{from}', to: 'http://h', allow_public_unauthenticated_access: true}}]")).routes
    };
    for (from, port, expected) in [
        ("https://a.example:443", None, true),
        ("https://a.example:443", Some(443), true),
        ("https://a.example:443", Some(80), false),
        ("http://a.example:80", None, true),
        ("http://a.example:80", Some(443), false),
        ("https://a.example:8443", None, false),
    ] {
        assert_eq!(table(from).knows_host("a.example", port), expected, "{from} {port:?}");
    }
    for (from, host, expected) in [
        ("https://a.example", "a.example", Some(None)),
        ("https://a.example:8443", "a.example", Some(Some(8443))),
        ("https://*.example", "b.example", Some(None)),
        ("https://a.example", "b.example", None),
    ] {
        assert_eq!(table(from).port_of(host), expected, "{from} {host}");
    }
}

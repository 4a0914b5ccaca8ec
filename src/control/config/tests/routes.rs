//! Routes: from, paths, to, header fields, timeouts, names.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::plan::cluster::{Cluster, Protocol, Target};
use crate::plan::route::mcp::Server;
use crate::plan::route::template::Template;
use crate::plan::route::{Found, Route};

#[track_caller]
fn one(more: &str) -> Arc<Route> {
    plan(&route(more)).routes.iter().next().unwrap().clone()
}

#[track_caller]
fn cluster(more: &str) -> Arc<Cluster> {
    one(more).action.cluster().unwrap().clone()
}

fn to_errors(to: &str) -> Vec<String> {
    errors(&route(&format!("to: {to}")))
}

#[test]
fn policy_comes_before_routes_and_the_first_match_wins() {
    let entry = |name: &str, more: &str| {
        format!(
            "  - {{name: {name}, from: 'https://a.example', to: 'http://127.0.0.1:1', allow_public_unauthenticated_access: true{more}}}\n"
        )
    };
    let text = format!(
        "routes:\n{}{}policy:\n{}{}",
        entry("prefix", ", prefix: /p"),
        entry("all", ""),
        entry("regex", ", regex: '/r/[0-9]+'"),
        entry("exact", ", path: /p/exact"),
    );
    let plan = plan(&text);
    let found = |path| match plan.routes.find("a.example", None, path) {
        Found::Route(route) => route.name.to_string(),
        other => panic!("{other:?}"),
    };
    for (path, name) in [("/r/12", "regex"), ("/r/12x", "all"), ("/p/exact", "exact"), ("/p/x", "prefix"), ("/", "all")]
    {
        assert_eq!(found(path), name, "{path}");
    }
}

#[test]
fn hosts_and_ports_of_from_are_matched() {
    let table = |from: &str| {
        let text = format!(
            "routes: [{{from: '{from}', to: 'http://127.0.0.1:1', allow_public_unauthenticated_access: true}}]"
        );
        plan(&text).routes
    };
    for (from, host, port, expected) in [
        ("https://A.Example.", "a.example", None, true),
        ("https://a.example", "a.example", Some(8443), true),
        ("https://a.example:8443", "a.example", Some(8443), true),
        ("https://a.example:8443", "a.example", None, false),
        ("https://*.example", "b.example", None, true),
        ("https://*.example", "example", None, false),
        ("https://bücher.example", "xn--bcher-kva.example", None, true),
        ("https://[2001:DB8:0:0::1]", "[2001:db8::1]", None, true),
        ("https://10.0.0.1/", "10.0.0.1", None, true),
    ] {
        assert_eq!(table(from).knows_host(host, port), expected, "{from} {host} {port:?}");
    }
}

#[test]
fn wrong_sources_are_errors() {
    for (from, error) in [
        ("a.example", "config: policy bad source url a.example url does not contain a valid scheme"),
        (
            "https://",
            "config: policy bad source url https:// url does not contain a valid hostname. have you specified protocol (ex: https)",
        ),
        ("''", "config: policy bad source url url cannot be empty"),
        (
            "https://a.example/x",
            "config: policy source url (https://a.example/x) contains a path, but it should be set using the path field instead",
        ),
        ("tcp+https://a.example:22", "`from` with tcp+https:// is not supported by this version yet"),
        ("ssh://a", "`from` with ssh:// is not supported by this version yet"),
        ("ftp://a.example", "config: policy bad source url ftp://a.example url does not contain a valid scheme"),
    ] {
        let text =
            format!("routes: [{{from: {from}, to: 'http://127.0.0.1:1', allow_public_unauthenticated_access: true}}]");
        assert_eq!(errors(&text), [error], "{from}");
    }
    let missing = errors("routes: [{to: 'http://127.0.0.1:1', allow_public_unauthenticated_access: true}]");
    assert_eq!(missing, ["config: policy bad source url url cannot be empty"]);
}

#[test]
fn targets_are_read_in_each_form() {
    let target = |host: &str, port, weight| Target { tls: false, host: host.into(), port, weight, server_name: None };
    for (to, expected) in [
        ("http://a", vec![target("a", 80, 1)]),
        ("[http://a:1, http://b:2]", vec![target("a", 1, 1), target("b", 2, 1)]),
        ("['http://a,10', 'http://b,30']", vec![target("a", 80, 10), target("b", 80, 30)]),
        ("[[http://a, 10], [http://b, '30']]", vec![target("a", 80, 10), target("b", 80, 30)]),
        ("http://a,10,http://b,30", vec![target("a", 80, 10), target("b", 80, 30)]),
        ("http://a,http://b", vec![target("a", 80, 1), target("b", 80, 1)]),
        ("'http://[::1]:8080/'", vec![target("::1", 8080, 1)]),
    ] {
        assert_eq!(cluster(&format!("to: {to}")).targets, expected, "{to}");
    }
}

#[test]
fn wrong_targets_are_errors() {
    for (to, error) in [
        ("[]", "url list is empty"),
        ("127.0.0.1:8080", "`routes[0].to`: url scheme must be provided"),
        ("['http://']", "`routes[0].to[0]`: endpoint hostname must be specified"),
        (
            "[http://a, 'http://b,1']",
            "`routes[0].to`: either no weights should be provided, or all endpoints must have non-zero weight specified",
        ),
        ("['http://a,0', 'http://b,1']", "`routes[0].to`: zero load balancing weight not permitted"),
        ("['http://a,99999999999']", "`routes[0].to`: a load balancing weight is larger than 4294967295"),
        ("[tcp://a:1, http://b]", "config: cannot mix tcp and non-tcp To URLs"),
        ("[udp://a:1, http://b]", "config: cannot mix udp and non-udp To URLs"),
        ("[http://a, https://b]", "http and https in one `to` are not supported by this version yet"),
        ("[ssh://a, ssh://b]", "only one 'to' entry allowed for ssh routes"),
        ("[http://a, h2c://b]", "http and h2c in one `to` are not supported by this version yet"),
        ("gopher://a", "`to`: unknown scheme gopher://, expected http, https or h2c"),
        ("{a: b}", "`routes[0].to`: expected a URL, `URL,weight` or `[URL, weight]`, found a map"),
        ("[[http://a, x]]", "`routes[0].to[0]`: expected a URL, `URL,weight` or `[URL, weight]`, found a list"),
        ("http://*.a", "`to`: the host *.a holds a wildcard"),
    ] {
        assert_eq!(to_errors(to), [error], "{to}");
    }
    assert_eq!(to_errors(""), ["config: policy should have either `to` or `redirect` or `response` defined"]);
}

#[test]
fn passwords_in_urls_are_not_shown() {
    let problems = problems(&route("to: http://me:hunter2@h"));
    let mut text = String::new();
    render::text(&problems, false, &mut text).unwrap();
    assert!(text.contains("user name or password") && !text.contains("hunter2"), "{text}");
}

#[test]
fn addresses_are_endpoints_at_once_and_names_wait() {
    let cluster = cluster("to: [https://10.0.0.1, 'https://[::1]:8443', https://localhost:1, https://named.example]");
    let endpoints = cluster.endpoints.load();
    let seen: Vec<_> = endpoints.iter().map(|e| (e.address.to_string(), e.authority.to_string())).collect();
    let expected = [("10.0.0.1:443", "10.0.0.1"), ("[::1]:8443", "[::1]:8443"), ("127.0.0.1:1", "localhost:1")];
    assert_eq!(seen, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(cluster.targets.len(), 4);
    assert!(cluster.tls.is_some() && endpoints.iter().all(|e| e.server_name.is_some()));
}

#[test]
fn upstream_tls_settings_decide_about_connections() {
    let ca = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap().cert.pem();
    let folder = Folder::new();
    let file = folder.file("ca.pem", ca);
    let load = |more: &str| {
        let loaded = folder.load(&format!("{BASE}{}", route(more)), &Environment::new()).unwrap();
        loaded.plan.routes.iter().next().unwrap().action.cluster().unwrap().clone()
    };
    let plain = load("to: http://10.0.0.1");
    assert!(plain.tls.is_none() && plain.tls_key == 0);
    let keys: Vec<u64> = [
        "to: https://10.0.0.1".to_owned(),
        "to: https://10.0.0.1\ntls_skip_verify: true".to_owned(),
        "to: https://10.0.0.1\ntls_server_name: other.example".to_owned(),
        format!("to: https://10.0.0.1\ntls_custom_ca_file: {}", file.display()),
    ]
    .iter()
    .map(|more| load(more).tls_key)
    .collect();
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert!(distinct.len() == 4 && !keys.contains(&0), "{keys:?}");
    assert_eq!(keys[0], load("to: https://10.0.0.1").tls_key);
    let named = load("to: https://10.0.0.1\ntls_server_name: a\ntls_upstream_server_name: b.example");
    assert_eq!(named.targets[0].server_name.as_deref(), Some("b.example"));
    assert_eq!(named.tls.as_ref().unwrap().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    for (more, error) in [
        ("tls_custom_ca: '%'", "config: couldn't decode custom ca: "),
        ("tls_custom_ca: aGVsbG8=", "config: couldn't decode custom ca: there is no certificate"),
        ("tls_custom_ca_file: /nonexistent", "config: couldn't load client ca file: "),
    ] {
        let errors = errors(&route(&format!("to: https://h\n{more}")));
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{more}: {errors:?}");
    }
}

#[test]
fn the_scheme_and_upgrades_decide_what_is_spoken() {
    for (more, protocol) in [
        ("to: http://10.0.0.1", Protocol::Http1),
        ("to: h2c://10.0.0.1", Protocol::Http2),
        ("to: https://10.0.0.1", Protocol::Negotiated),
        ("to: https://10.0.0.1\nallow_websockets: true", Protocol::Http1),
        ("to: https://10.0.0.1\nallow_spdy: true", Protocol::Http1),
    ] {
        let cluster = cluster(more);
        assert_eq!(cluster.protocol, protocol, "{more}");
        let offers_h2 = cluster.tls.as_ref().is_some_and(|tls| tls.alpn_protocols.contains(&b"h2".to_vec()));
        assert_eq!(offers_h2, protocol == Protocol::Negotiated, "{more}");
    }
    let clear = cluster("to: h2c://named.example");
    assert_eq!((clear.targets[0].port, clear.targets[0].tls, clear.tls_key), (80, false, 0));
    assert_eq!(warnings(&route("to: h2c://10.0.0.1\nallow_websockets: true")), [""; 0]);
    assert_eq!(
        warnings(&route("to: h2c://10.0.0.1\nallow_spdy: true")),
        ["`routes[0].to`: h2c upstreams take no upgrades but WebSockets; other requests to upgrade are refused"]
    );
}

#[test]
fn route_timeouts_follow_pomerium() {
    let timeout = |more: &str| one(&format!("to: http://127.0.0.1:1\n{more}")).timeout;
    assert_eq!(timeout(""), Some(Duration::from_secs(30)));
    assert_eq!(timeout("timeout: 5s"), Some(Duration::from_secs(5)));
    assert_eq!(timeout("timeout: 0"), None);
    assert_eq!(timeout("allow_websockets: true"), None);
    assert_eq!(timeout("allow_websockets: true\ntimeout: 5s"), Some(Duration::from_secs(5)));
    let text = format!("default_upstream_timeout: 7s\n{}", route("to: http://127.0.0.1:1"));
    assert_eq!(plan(&text).routes.iter().next().unwrap().timeout, Some(Duration::from_secs(7)));
}

#[test]
fn request_headers_are_set_and_removed() {
    let route =
        one("to: http://h\nset_request_headers: {X-A: b, X-N: 5, X-D: '$$5'}\nremove_request_headers: [X-Y, Cookie]\n");
    assert_eq!(
        route.request_headers_set,
        [("x-a", "b"), ("x-n", "5"), ("x-d", "$$5")]
            .map(|(name, value)| (name.into(), Template::parse(value).template))
    );
    assert_eq!(route.request_headers_removed, ["x-y".into(), "cookie".into()]);
    for (more, part) in [
        ("set_request_headers: {'X A': b}", "\"X A\" is not a header name"),
        ("set_request_headers: {X-A: \"b\\r\\nc\"}", "holds a control character"),
        ("set_request_headers: {X-A: b, x-a: c}", "is set twice"),
        ("set_request_headers: {Transfer-Encoding: chunked}", "belongs to the connection"),
        ("set_request_headers: {Host: x}", "the Host header cannot be set"),
        ("set_request_headers: {X_Pomerium.Claim-Email: x}", "headers that vouch for a person cannot be set"),
        (
            "set_request_headers: {Authorization: 'Bearer $pomerium.access_token'}",
            "$pomerium.access_token is not supported by this version yet",
        ),
        ("remove_request_headers: [Host]", "the Host header cannot be removed"),
        ("remove_request_headers: [Connection]", "belongs to the connection"),
    ] {
        let errors = errors(&super::route(&format!("to: http://h\n{more}")));
        assert!(errors.len() == 1 && errors[0].contains(part), "{more}: {errors:?}");
    }
}

#[test]
fn response_headers_are_merged() {
    let headers = |top: &str, more: &str| {
        let plan = plan(&format!("{top}\n{}", route(&format!("to: http://h\n{more}"))));
        let route = plan.routes.iter().next().unwrap();
        route.response_headers.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("|")
    };
    let defaults = "x-frame-options=SAMEORIGIN|x-xss-protection=1; mode=block";
    for (top, more, expected) in [
        ("", "", defaults),
        (
            "",
            "set_response_headers: {X-Frame-Options: DENY, X-B: c}",
            "x-frame-options=DENY|x-xss-protection=1; mode=block|x-b=c",
        ),
        ("set_response_headers: {X-A: b}", "", "x-a=b"),
        ("set_response_headers: {X-A: b}", "set_response_headers: {x-a: c}", "x-a=c"),
        ("set_response_headers: {disable: true}", "set_response_headers: {X-A: b}", ""),
        ("", "set_response_headers: {Disable: ''}", ""),
    ] {
        assert_eq!(headers(top, more), expected, "{top} {more}");
    }
    assert!(errors("set_response_headers: {X-A: \"b\\nc\"}")[0].contains("holds a control character"));
}

#[test]
fn ids_are_stable_and_names_readable() {
    let first = one("to: http://h");
    assert_eq!(first.id, one("to: http://h\ntimeout: 3s").id);
    assert_ne!(first.id, one("to: http://i").id);
    assert_ne!(first.id, one("to: http://h\nprefix: /x").id);
    assert_eq!(&*first.name, format!("a-example-{:06x}", first.id & 0xff_ffff));
    assert_eq!(&*one("to: http://h\nname: Wiki").name, "Wiki");
}

#[test]
fn bad_path_rules_are_told() {
    let with = |more: &str| route(&format!("to: http://h\n{more}"));
    assert!(errors(&with("regex: '('"))[0].starts_with("`routes[0].regex`: invalid expression: unclosed group"));
    assert!(errors(&with("regex: '(a{1000}){1000}'"))[0].contains("once compiled"));
    assert!(warnings(&with("prefix: admin"))[0].contains("matches no path"));
    assert_eq!(warnings(&with("regex: /a\nprefix: /b")), ["`routes[0].prefix` has no effect beside `routes[0].regex`"]);
}

#[test]
fn paths_are_spelt_as_requests_are() {
    let rule = |top: &str, more: &str| {
        let routes = plan(&format!("{top}{}", route(&format!("to: http://h\n{more}")))).routes;
        format!("{:?}", routes.iter().next().unwrap().path)
    };
    for (top, more, expected) in [
        ("", "prefix: /caf%c3%a9/", "Prefix(\"/caf%C3%A9/\")"),
        ("", "prefix: /café", "Prefix(\"/caf%C3%A9\")"),
        ("", "path: /%61dmin", "Exact(\"/admin\")"),
        ("", "path: /a b|c", "Exact(\"/a%20b%7Cc\")"),
        ("", "path: /a%2fb", "Exact(\"/a%2Fb\")"),
        ("", "prefix: /a/.", "Prefix(\"/a/.\")"),
        ("normalize_path: false\n", "path: /%61%c3%a9", "Exact(\"/%61%c3%a9\")"),
    ] {
        assert_eq!(rule(top, more), expected, "{top}{more}");
    }
    let with = |more: &str| route(&format!("to: http://h\n{more}"));
    for (more, expected) in [
        ("path: /a/../b", "`routes[0].path`: \"/a/../b\" matches no path in normal form"),
        ("path: //a", "`routes[0].path`: \"//a\" matches no path in normal form"),
        (
            "prefix: /a?b",
            "`routes[0].prefix`: \"/a?b\" matches no path: the path holds byte 0x3f, which no path may hold",
        ),
        (
            "prefix: /100%",
            "`routes[0].prefix`: \"/100%\" matches no path: a percent sign in the path is not followed by two hexadecimal digits",
        ),
    ] {
        assert_eq!(warnings(&with(more)), [expected], "{more}");
    }
}

#[test]
fn routes_that_are_never_reached_warn() {
    let entry = |more: &str| {
        format!(
            "  - {{from: 'https://a.example', to: 'http://127.0.0.1:1', allow_public_unauthenticated_access: true{more}}}\n"
        )
    };
    let shadowed = format!("routes:\n{}{}", entry(""), entry(", prefix: /admin"));
    let found = &problems(&shadowed)[0];
    assert!(found.message.contains("never reached"));
    assert_eq!(found.place.as_ref().unwrap().line, 6);
    assert_eq!(found.related.as_ref().unwrap().place.line, 5);
    let fine = format!("routes:\n{}{}", entry(", prefix: /admin"), entry(""));
    assert_eq!(warnings(&fine), [""; 0]);
    let twice = format!("routes:\n{}{}", entry(", name: x, prefix: /a"), entry(", name: x"));
    assert!(warnings(&twice)[0].contains("the name \"x\" stands for two routes"));
}

#[test]
fn identity_headers_have_a_global_default() {
    let text =
        |top: &str, more: &str| format!("pass_identity_headers: {top}\n{}", route(&format!("to: http://h\n{more}")));
    for (top, more, expected) in [
        ("true", "", true),
        ("true", "pass_identity_headers: false", false),
        ("false", "pass_identity_headers: 1", true),
    ] {
        assert_eq!(plan(&text(top, more)).routes.iter().next().unwrap().pass_identity, expected, "{top} {more}");
    }
}

#[test]
fn mcp_servers() {
    let server = |more: &str| one(&format!("to: http://127.0.0.1:1\nmcp: {more}")).mcp.clone();
    let expected = |body_bytes_max, path: &str| Some(Server { body_bytes_max, path: path.into() });
    assert_eq!(one("to: http://127.0.0.1:1").mcp, None);
    for text in ["{server: {}}", "{server: }", "{server: {path: /}}"] {
        assert_eq!(server(text), expected(4096, ""), "{text}");
    }
    assert_eq!(server("{server: {max_request_bytes: 10000, path: /a/mcp/}}"), expected(10_000, "/a/mcp"));
    let route_of = one("to: http://127.0.0.1:1\nmcp: {server: {}}");
    assert_eq!(route_of.timeout, None);
    let neither = "config: mcp must have either server or client set";
    for (text, error) in [
        ("{}", neither),
        ("{server: {}, client: {}}", neither),
        ("x", "`routes[0].mcp`: expected a map with `server` or `client`, found a string"),
        ("{client: {}}", "`routes[0].mcp.client` is not supported by this version yet"),
        (
            "{server: {upstream_oauth2: {}}}",
            "`routes[0].mcp.server.upstream_oauth2` is not supported by this version yet",
        ),
        ("{server: {path: mcp}}", "`routes[0].mcp.server.path`: expected a path such as /mcp, found \"mcp\""),
        ("{server: {path: '/a\"b'}}", "`routes[0].mcp.server.path`: expected a path such as /mcp, found \"/a\\\"b\""),
        (
            "{server: {max_request_bytes: 0}}",
            "`routes[0].mcp.server.max_request_bytes`: expected a whole number from 1 to 1048576, found a number",
        ),
    ] {
        assert_eq!(errors(&route(&format!("to: http://127.0.0.1:1\nmcp: {text}"))), [error], "{text}");
    }
}

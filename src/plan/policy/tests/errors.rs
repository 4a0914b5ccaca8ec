//! Every error: text and place.

use super::*;

const RULES: &str = "invalid rules in policy: ";
const DATA: &str = "error generating criterion rules: ";

/// Checks a policy with exactly one error.
fn check(yaml: &str, place: &str, prefix: &str, text: &str) {
    assert_eq!(errors(yaml), [(place.to_owned(), format!("{prefix}{text}"))], "{yaml}");
}

/// Checks the data of a criterion that has exactly one error; `place` is below the criterion's key.
fn check_data(criterion: &str, place: &str, text: &str) {
    let name = criterion.split(": ").next().unwrap();
    let place = format!("deny.or.0.{name}{}{place}", if place.is_empty() { "" } else { "." });
    check(&format!("{{deny: {{or: [{{{criterion}}}]}}}}"), &place, DATA, text);
}

#[test]
fn grammar() {
    let single = "each criteria may only contain a single key and value";
    let cases = [
        ("text", "", "unsupported type for rule: parser.String"),
        ("1", "", "unsupported type for rule: parser.Number"),
        ("true", "", "unsupported type for rule: parser.Boolean"),
        ("null", "", "unsupported type for rule: parser.Null"),
        ("[text]", "0", "unsupported type for rules array: parser.String"),
        ("[{}, [], {}]", "1", "unsupported type for rules array: parser.Array"),
        ("[null]", "0", "unsupported type for rules array: parser.Null"),
        ("{permit: {}}", "permit", "invalid action in rule: unsupported action: permit"),
        ("{Allow: {}}", "Allow", "invalid action in rule: unsupported action: Allow"),
        ("[{deny: {}}, {'': {}}]", "1.", "invalid action in rule: unsupported action: "),
        ("{allow: null}", "allow", "invalid value for action in rule, expected Object, got parser.Null"),
        ("{deny: []}", "deny", "invalid value for action in rule, expected Object, got parser.Array"),
        ("{allow: true}", "allow", "invalid value for action in rule, expected Object, got parser.Boolean"),
        (
            "{allow: {maybe: []}}",
            "allow.maybe",
            r#"unsupported conditional "maybe", only and, or, not, nor and action are allowed"#,
        ),
        (
            "{deny: {AND: []}}",
            "deny.AND",
            r#"unsupported conditional "AND", only and, or, not, nor and action are allowed"#,
        ),
        (
            "{allow: {and: {accept: true}}}",
            "allow.and",
            r#"invalid criteria in "and"): unsupported type for criteria: parser.Object"#,
        ),
        ("{allow: {or: null}}", "allow.or", r#"invalid criteria in "or"): unsupported type for criteria: parser.Null"#),
        (
            "{allow: {not: x}}",
            "allow.not",
            r#"invalid criteria in "not"): unsupported type for criteria: parser.String"#,
        ),
        (
            "{allow: {nor: 1}}",
            "allow.nor",
            r#"invalid criteria in "nor"): unsupported type for criteria: parser.Number"#,
        ),
        (
            "[{}, {allow: {or: [accept: 1, accept]}}]",
            "1.allow.or.1",
            r#"invalid criteria in "or"): unsupported type for criteria array: parser.String"#,
        ),
        ("{allow: {or: [{}]}}", "allow.or.0", &format!(r#"invalid criteria in "or"): {single}"#)),
        ("{allow: {or: [{accept: 1, reject: 1}]}}", "allow.or.0", &format!(r#"invalid criteria in "or"): {single}"#)),
    ];
    for (yaml, place, text) in cases {
        check(yaml, place, RULES, text);
    }
}

#[test]
fn unknown_criteria() {
    for name in ["Accept", "pomerium_routes", "emails", "group", "", " email"] {
        let yaml = format!("{{allow: {{or: [{{'{name}': x}}]}}}}");
        check(&yaml, &format!("allow.or.0.{name}"), "", &format!("unknown policy criterion: {name}"));
    }
    check("{allow: {or: [{no/such/thing: x}]}}", "allow.or.0.no/such/thing", "", "unknown policy criterion: no");
}

#[test]
fn matchers() {
    for name in ["user", "email", "domain", "http_method", "http_path", "mcp_tool", "ssh_username"] {
        let unknown = "unknown string matcher operator: has";
        check_data(&format!("{name}: {{has: x}}"), "has", unknown);
        check_data(&format!("{name}: {{in: x}}"), "in", "in matcher requires an array of strings");
        check_data(&format!("{name}: {{not_in: {{}}}}"), "not_in", "not_in matcher requires an array of strings");
        check_data(&format!("{name}: {{contains: 1}}"), "contains", "contains matcher requires a string");
        check_data(&format!("{name}: {{starts_with: null}}"), "starts_with", "starts_with matcher requires a string");
        check_data(&format!("{name}: {{ends_with: [a]}}"), "ends_with", "ends_with matcher requires a string");
    }
    for name in ["groups", "claim/a/b", "claim"] {
        check_data(&format!("{name}: {{has: x, not: x}}"), "not", "unknown string list matcher operator: not");
    }
}

#[test]
fn source_ip() {
    check_data("source_ip: not-an-ip", "", r#"expected IP or CIDR range, got: "not-an-ip""#);
    check_data("source_ip: 10.0.0.0/33", "", r#"expected IP or CIDR range, got: "10.0.0.0/33""#);
    check_data("source_ip: [10.0.0.1, \"a\\\"b\\n\"]", "1", r#"expected IP or CIDR range, got: "a\"b\n""#);
    check_data("source_ip: {key: value}", "", "expected string or array of strings, got: parser.Object");
    check_data("source_ip: null", "", "expected string or array of strings, got: parser.Null");
    check_data("source_ip: [{key: value}]", "0", "expected string value, got: parser.Object");
    check_data("source_ip: [10.0.0.1, 10]", "1", "expected string value, got: parser.Number");
}

#[test]
fn client_certificate() {
    let hash = "certificate SPKI hash";
    let print = "certificate fingerprint";
    let cases = [
        ("client_certificate: x", "", "expected object for certificate matcher, got: parser.String".to_owned()),
        ("client_certificate: {issuer: x}", "issuer", "unsupported certificate matcher condition: issuer".to_owned()),
        (
            "client_certificate: {fingerprint: 1}",
            "fingerprint",
            format!("{print} condition expects a string or array of strings"),
        ),
        ("client_certificate: {fingerprint: [1]}", "fingerprint.0", format!("{print} must be a string (was 1)")),
        ("client_certificate: {fingerprint: ''}", "fingerprint", format!("{print} must not be empty")),
        ("client_certificate: {fingerprint: abc}", "fingerprint", format!("unsupported {print} format (abc)")),
        (
            "client_certificate: {spki_hash: true}",
            "spki_hash",
            format!("{hash} condition expects a string or array of strings"),
        ),
        ("client_certificate: {spki_hash: [null]}", "spki_hash.0", format!("{hash} must be a string (was null)")),
        ("client_certificate: {spki_hash: ['']}", "spki_hash.0", format!("{hash} must not be empty")),
        (
            "client_certificate: {spki_hash: Zm9v}",
            "spki_hash",
            format!("{hash} must be a base64-encoded SHA-256 hash (was Zm9v)"),
        ),
        ("client_certificate: {san_uri: {has: x}}", "san_uri.has", "unknown string matcher operator: has".to_owned()),
    ];
    for (criterion, place, text) in cases {
        check_data(criterion, place, &text);
    }
    for text in ["A".repeat(64), "0a:".repeat(31) + "0a", "0".repeat(63)] {
        let expected = format!("unsupported certificate fingerprint format ({text})");
        check_data(&format!("client_certificate: {{fingerprint: '{text}'}}"), "fingerprint", &expected);
    }
}

#[test]
fn device() {
    check_data("device: x", "", "expected object for device criterion, got: parser.String");
    check_data("device: {os: x}", "os", "unexpected field in device criterion: os");
    check_data("device: {is: 1}", "is", "expected string for device criterion is operator, got parser.Number");
    check_data("device: {type: []}", "type", "expected string for device criterion type operator, got parser.Array");
    let approved = "expected boolean for device criterion approved operator, got parser.String";
    check_data("device: {approved: 'yes'}", "approved", approved);
}

#[test]
fn ssh() {
    for name in ["ssh_publickey", "ssh_ca"] {
        let check_key = |data: &str, place: &str, text: &str| check_data(&format!("{name}: {data}"), place, text);
        check_key("1", "", "expected string or array of strings, got: parser.Number");
        check_key("[true]", "0", "expected string value, got: parser.Boolean");
        check_key("x", "", "ssh: no key found");
        check_key("[ssh-ed25519 AAAA]", "0", "ssh: no key found");
    }
    let claim = "expected string value, got: parser.Array";
    check_data("ssh_username_matches_claim: [x]", "", claim);
}

#[test]
fn times() {
    check_data("date: 2020-01-01", "", "expected object for date criterion, got: parser.String");
    check_data("date: {}", "", "date criterion requires after or before");
    check_data("date: {after: 1}", "after", "expected string for date after operator, got: parser.Number");
    check_data("date: {before: soon}", "before", r#"expected ISO 8601 date, got: "soon""#);
    check_data("date: {since: x, after: '2020-01-01'}", "since", "unexpected field in date criterion: since");
    let never = "date: nothing is after 2020-01-02 and before 2020-01-01 at once";
    check_data("date: {after: 2020-01-02, before: 2020-01-01}", "", never);
    check_data("day_of_week: 1", "", "expected string for day_of_week criterion, got: parser.Number");
    let days = "expected *, days or ranges of days (mon, tuesday, wed-fri), got: ";
    check_data("day_of_week: moonday", "", &format!("{days}\"moonday\""));
    check_data("time_of_day: {after: 3PM}", "", "time_of_day criterion requires a timezone");
    check_data("time_of_day: {timezone: UTC}", "", "time_of_day criterion requires after or before");
    check_data("time_of_day: {timezone: Mars/X, after: 3PM}", "timezone", "unknown time zone Mars/X");
    let time = r#"expected time of day ("3:04 PM", "3PM", "15:04" or "15:04:05"), got: "25:00""#;
    check_data("time_of_day: {timezone: UTC, after: '25:00'}", "after", time);
    let never = "time_of_day: nothing is after 22:00 and before 06:00 at once";
    check_data("time_of_day: {timezone: UTC, after: '22:00', before: '06:00'}", "", never);
}

#[test]
fn record() {
    check_data("record: x", "", "expected object for record criterion, got: parser.String");
    check_data("record: {field: email, is: x}", "", "record criterion requires a type");
    check_data("record: {type: 1}", "type", "expected string for record type, got: parser.Number");
    let user = "record: {type: user.User";
    check_data(&format!("{user}}}"), "", "record criterion requires an operator, such as exists, is or >=");
    check_data(
        &format!("{user}, field: name}}"),
        "",
        "record criterion requires an operator, such as exists, is or >=",
    );
    check_data(&format!("{user}, is: x}}"), "", "record criterion requires a field for its operators");
    let field = "unknown field of user.User: age; it has id, email, name";
    check_data(&format!("{user}, field: age, is: 1}}"), "field", field);
    check_data(&format!("{user}, exists: 1}}"), "exists", "expected boolean for exists operator, got: parser.Number");
    check_data(&format!("{user}, field: name, '>': x}}"), ">", "expected number for > operator, got: parser.String");
    check_data(&format!("{user}, field: name, like: x}}"), "like", "unknown string matcher operator: like");
    let unknown = "unknown record type: example.com/hr; there are no records but session.Session, user.ServiceAccount, \
                   user.User or pomerium.io/DirectoryUser";
    check_data("record: {type: example.com/hr, exists: true}", "type", unknown);
}

#[test]
fn all_errors_are_told_at_once() {
    let yaml = "
- deny: {or: [{}, {emails: x}, {email: {has: 1, in: 2}}], maybe: [], and: 1}
- 7
- {permit: {}, allow: {not: [{source_ip: [x, 10.0.0.1, y]}]}}
";
    let places: Vec<String> = errors(yaml).into_iter().map(|(place, _)| place).collect();
    assert_eq!(
        places,
        [
            "0.deny.and",
            "0.deny.or.0",
            "0.deny.or.1.emails",
            "0.deny.or.2.email.has",
            "0.deny.or.2.email.in",
            "0.deny.maybe",
            "1",
            "2.permit",
            "2.allow.not.0.source_ip.0",
            "2.allow.not.0.source_ip.2",
        ]
    );
}

//! One `authorize check` line per decision, with Pomerium's field names.

use std::net::IpAddr;

use super::logging::List;

/// One decision. Reasons are the strings of the closed vocabulary.
#[derive(Debug, Clone)]
pub struct Check<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub host: &'a str,
    pub ip: IpAddr,
    pub session_id: &'a str,
    pub user: &'a str,
    pub email: &'a str,
    pub route_id: u64,
    pub allow: bool,
    pub allow_reasons: &'a [&'static str],
    pub deny: bool,
    pub deny_reasons: &'a [&'static str],
}

/// Writes the line. Never blocks: a full log queue drops the line and counts it.
///
/// Reasons stand under `…-why-true` or `…-why-false`, according to the outcome that they explain.
pub fn write(check: &Check<'_>) {
    let allow_why = tracing::field::display(List(check.allow_reasons));
    let deny_why = tracing::field::display(List(check.deny_reasons));
    tracing::info!(
        service = "authorize",
        "request-id" = check.request_id,
        "check-request-id" = check.request_id,
        method = check.method,
        path = check.path,
        host = check.host,
        ip = %check.ip,
        "session-id" = check.session_id,
        user = check.user,
        email = check.email,
        "route-id" = %check.route_id,
        allow = check.allow,
        "allow-why-true[]" = check.allow.then_some(&allow_why),
        "allow-why-false[]" = (!check.allow).then_some(&allow_why),
        deny = check.deny,
        "deny-why-true[]" = check.deny.then_some(&deny_why),
        "deny-why-false[]" = (!check.deny).then_some(&deny_why),
        "authorize check"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::logging::{Format, Level, captured};
    use serde_json::{Value, json};

    fn line(check: &Check<'_>) -> Value {
        let lines = captured(Format::Json, Level::Info, || write(check));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("time").unwrap();
        line
    }

    #[test]
    fn reasons_stand_under_their_outcome() {
        let allowed = Check {
            request_id: "r",
            method: "GET",
            path: "/",
            host: "h.example",
            ip: "2001:db8::1".parse().unwrap(),
            session_id: "s",
            user: "u",
            email: "u@example.com",
            route_id: u64::MAX,
            allow: true,
            allow_reasons: &["email-ok", "user-ok"],
            deny: false,
            deny_reasons: &[],
        };
        assert_eq!(
            line(&allowed),
            json!({
                "level": "info", "message": "authorize check", "service": "authorize", "request-id": "r",
                "check-request-id": "r", "method": "GET", "path": "/", "host": "h.example", "ip": "2001:db8::1",
                "session-id": "s", "user": "u", "email": "u@example.com", "route-id": "18446744073709551615",
                "allow": true, "allow-why-true": ["email-ok", "user-ok"], "deny": false, "deny-why-false": []
            })
        );
        let denied = Check {
            allow: false,
            allow_reasons: &["claim-unauthorized"],
            deny: true,
            deny_reasons: &["reject"],
            ..allowed
        };
        let line = line(&denied);
        assert_eq!(line["allow-why-false"], json!(["claim-unauthorized"]));
        assert_eq!(line["deny-why-true"], json!(["reject"]));
        assert!(line.get("allow-why-true").is_none() && line.get("deny-why-false").is_none());
    }
}

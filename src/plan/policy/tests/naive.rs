//! A second evaluator, as simple as can be: it walks the document anew for each request and shares no code with the
//! compiled form.

use std::collections::BTreeSet;

use super::super::mcp::Mcp;
use super::*;

pub type Result = (bool, BTreeSet<String>);

/// The result of one action of a valid document.
pub fn evaluate(document: &Value, action: &str, facts: &Facts<'_>) -> Result {
    let single = [document.clone()];
    let rules = document.as_array().map_or(&single[..], Vec::as_slice);
    let mut results = Vec::new();
    for rule in rules {
        let Some(body) = rule.get(action) else { continue };
        for (operator, list) in body.as_object().unwrap() {
            let criteria: Vec<Result> = list.as_array().unwrap().iter().map(|c| judge(c, facts)).collect();
            if !criteria.is_empty() {
                results.push(merge(operator, &criteria));
            }
        }
    }
    merge("or", &results)
}

/// The table of operators, row by row.
fn merge(operator: &str, results: &[Result]) -> Result {
    let union = |wanted: &[bool]| {
        let chosen = results.iter().filter(|result| wanted.contains(&result.0));
        chosen.flat_map(|result| result.1.clone()).collect::<BTreeSet<String>>()
    };
    let all_true = results.iter().all(|result| result.0);
    let some_true = results.iter().any(|result| result.0);
    match operator {
        "and" if all_true => (true, union(&[true, false])),
        "and" => (false, union(&[false])),
        "or" if some_true => (true, union(&[true])),
        "or" => (false, union(&[true, false])),
        "not" if !some_true => (true, union(&[true, false])),
        "not" => (false, union(&[true])),
        "nor" if !all_true => (true, union(&[false])),
        "nor" => (false, union(&[true, false])),
        _ => panic!("{operator}"),
    }
}

fn judge(criterion: &Value, facts: &Facts<'_>) -> Result {
    let (key, data) = criterion.as_object().unwrap().iter().next().unwrap();
    let (name, path) = key.split_once('/').unwrap_or((key, ""));
    let named = |value: bool, stem: &str| {
        let end = if value { "ok" } else { "unauthorized" };
        (value, BTreeSet::from([format!("{stem}-{end}")]))
    };
    let fixed = |value: bool, reason: &str| (value, BTreeSet::from([reason.to_owned()]));
    match name {
        "accept" => return fixed(true, "accept"),
        "reject" => return fixed(false, "reject"),
        "cors_preflight" if facts.cors_preflight => return fixed(true, "cors-request"),
        "cors_preflight" => return fixed(false, "non-cors-request"),
        "invalid_client_certificate" => {
            return match facts.standing {
                Standing::Valid => fixed(false, "valid-client-certificate"),
                Standing::Missing => fixed(true, "client-certificate-required"),
                Standing::Invalid => fixed(true, "invalid-client-certificate"),
            };
        }
        "client_certificate" => {
            let value = facts.certificate.is_some_and(|leaf| certificate(data, leaf));
            return named(value, "client-certificate");
        }
        "http_method" => return named(text(data, facts.method), "http-method"),
        "http_path" => return named(text(data, facts.path), "http-path"),
        "source_ip" => {
            let network: ipnet::IpNet = data.as_str().unwrap().parse().unwrap();
            return named(network.contains(&facts.source), "source-ip");
        }
        "mcp_tool" => {
            return match facts.mcp {
                Mcp::ToolCall(tool) if text(data, tool) => fixed(true, "mcp-tool-match"),
                Mcp::ToolCall(_) => fixed(false, "mcp-tool-no-match"),
                _ => fixed(false, "mcp-not-a-tool-call"),
            };
        }
        "day_of_week" => return named(day(data, facts.now), "day-of-week"),
        "date" => return named(after(data, facts.now), "date"),
        "time_of_day" => return named(after(data, facts.now % 86_400), "time-of-day"),
        "ssh_username" => return named(facts.ssh.is_some_and(|login| text(data, &login.username)), "ssh-username"),
        _ => {}
    }
    let Some(session) = facts.session else { return fixed(false, "user-unauthenticated") };
    match name {
        "authenticated_user" => named(!session.user_id.is_empty(), "user"),
        "user" => named(text(data, &session.user_id), "user"),
        "email" => named(text(data, &session.email), "email"),
        "domain" => {
            let parts: Vec<&str> = session.email.split('@').collect();
            named(parts.len() > 1 && text(data, parts[1]), "domain")
        }
        "groups" => {
            let groups: Vec<Value> = session.groups.iter().map(|group| json!(group)).collect();
            named(!groups.is_empty() && list(data, &groups), "groups")
        }
        "claim" => named(list(data, &claim(session, path)), "claim"),
        "device" => {
            let kind = data.get("type").map_or("any", |kind| kind.as_str().unwrap());
            let device = session.devices.iter().filter(|device| *device.kind == *kind).take(1);
            let enrolled = device.flat_map(|device| device.enrollment.as_ref().map(|enrollment| (device, enrollment)));
            match enrolled.last() {
                None => fixed(false, "device-unauthenticated"),
                Some((device, enrollment)) => {
                    let id = data.get("is").is_none_or(|id| *id == json!(device.id));
                    let approved = !enrollment.approved_by.is_empty();
                    named(id && data.get("approved").is_none_or(|wanted| *wanted == json!(approved)), "device")
                }
            }
        }
        "record" => named(data["is"] == json!(session.name), "record"),
        "ssh_username_matches_email" => {
            let name = session.email.split('@').next().unwrap();
            named(!name.is_empty() && facts.ssh.is_some_and(|login| *login.username == *name), "ssh-username")
        }
        "ssh_username_matches_claim" => {
            let names = claim(session, data.as_str().unwrap());
            let is_called = |name: &str| !name.is_empty() && names.contains(&json!(name));
            named(facts.ssh.is_some_and(|login| is_called(&login.username)), "ssh-username")
        }
        _ => panic!("{name}"),
    }
}

fn certificate(data: &Value, leaf: &Leaf) -> bool {
    let any = |names: &[Box<str>], data: &Value| names.iter().any(|name| text(data, name));
    data.as_object().unwrap().iter().all(|(condition, data)| match condition.as_str() {
        "fingerprint" => *data == json!(leaf.fingerprint_hex()),
        "san_dns" => any(&leaf.names.dns, data),
        "san_email" => any(&leaf.names.email, data),
        _ => panic!("{condition}"),
    })
}

/// A day by its short name. 1 January 1970 was a Thursday.
fn day(data: &Value, now: i64) -> bool {
    ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][(now / 86_400 % 7) as usize] == data.as_str().unwrap()
}

/// The clock time within the day of 1 January 1970 that stands at the end of `after`.
fn after(data: &Value, seconds: i64) -> bool {
    let text = data["after"].as_str().unwrap();
    let clock: Vec<i64> = text[text.len() - 5..].split(':').map(|part| part.parse().unwrap()).collect();
    seconds > clock[0] * 3600 + clock[1] * 60
}

fn claim(session: &Session, path: &str) -> Vec<Value> {
    let mut all = session.claims.clone();
    all.extend(session.user_claims.clone());
    if let Some(values) = all.get(path) {
        return values.clone();
    }
    let path = path.replace('.', "/");
    let segments: Vec<&str> = path.split('/').collect();
    if !(2..=5).contains(&segments.len()) {
        return Vec::new();
    }
    let mut here = match all.get(segments[0]).map(Vec::as_slice) {
        Some([one]) => one.clone(),
        _ => return Vec::new(),
    };
    for segment in &segments[1..] {
        here = match here.get(*segment) {
            Some(next) => next.clone(),
            None => return Vec::new(),
        };
    }
    here.as_array().cloned().unwrap_or_else(|| vec![here.clone()])
}

fn text(data: &Value, input: &str) -> bool {
    let Value::Object(operators) = data else { return *data == json!(input) };
    operators.iter().all(|(operator, data)| match operator.as_str() {
        "is" => *data == json!(input),
        "not" => *data != json!(input),
        "contains" => input.contains(data.as_str().unwrap()),
        "starts_with" => input.starts_with(data.as_str().unwrap()),
        "ends_with" => input.ends_with(data.as_str().unwrap()),
        "in" => data.as_array().unwrap().contains(&json!(input)),
        "not_in" => !data.as_array().unwrap().contains(&json!(input)),
        _ => panic!("{operator}"),
    })
}

fn list(data: &Value, input: &[Value]) -> bool {
    let Value::Object(operators) = data else { return input.contains(data) };
    operators.iter().all(|(operator, data)| match operator.as_str() {
        "has" => input.contains(data),
        "is" => input.len() == 1 && input[0] == *data,
        "exclude" => !input.contains(data),
        _ => panic!("{operator}"),
    })
}

//! Answers as people read them. What came from elsewhere is stripped of control characters: a terminal obeys them.

use std::fmt::Write;

use serde_json::Value;

/// `vallum status`.
pub(super) fn status(answer: &Value) -> String {
    let of = |key: &str| plain(&answer[key]);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("phase", of("phase"));
    line("version", format!("{} ({})", of("version"), of("revision")));
    line("address", of("address"));
    line("workers", format!("{} on {}", of("workers"), of("driver")));
    line("up", format!("{} s, process {}", of("uptime_seconds"), of("pid")));
    line("configuration", format!("{}, generation {}, {} routes", of("configuration"), of("generation"), of("routes")));
    match &answer["last_error"] {
        Value::Null => line("last error", "none".to_owned()),
        error => line("last error", plain(&error["why"])),
    }
    if !answer["last_update"].is_null() {
        line("last update", last_update(&answer["last_update"]));
    }
    if let Some(stuck) = answer["stuck_workers"].as_array().filter(|stuck| !stuck.is_empty()) {
        line("stuck", format!("workers {}", stuck.iter().map(plain).collect::<Vec<_>>().join(", ")));
    }
    text
}

/// `vallum routes`: a line for each.
pub(super) fn routes(answer: &Value) -> String {
    let mut text = String::new();
    for route in answer["routes"].as_array().into_iter().flatten() {
        let path = route["match"].as_object().and_then(|path| path.iter().next());
        let path = path.map(|(kind, value)| format!(" {kind} {}", plain(value))).unwrap_or_default();
        let to = match &route["action"]["to"] {
            Value::Array(targets) => targets.iter().map(plain).collect::<Vec<_>>().join(", "),
            _ => plain(&route["action"]),
        };
        let endpoints: Vec<String> =
            route["endpoints"].as_array().into_iter().flatten().map(|endpoint| plain(&endpoint["address"])).collect();
        let _ = writeln!(
            text,
            "{}: {}{path} -> {to} [{}]",
            plain(&route["name"]),
            plain(&route["from"]),
            endpoints.join(" ")
        );
    }
    text
}

/// One check of `vallum health`.
pub(super) fn check(name: &str, check: &Value) -> String {
    let error = check["error"].as_str().map(|error| format!(": {}", clean(error))).unwrap_or_default();
    format!("{} {}{error}", clean(name), plain(&check["status"]))
}

/// The problems of a configuration, as the process that read it would print them.
pub(super) fn report(answer: &Value) -> String {
    answer["report"].as_str().unwrap_or_default().replace(|c: char| c.is_control() && c != '\n', "")
}

/// `vallum image status`.
pub(super) fn image(answer: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{value}");
    };
    let (running, other) = (&answer["running"], &answer["other"]);
    let proven = if running["proven"] == true { "proven" } else { "not proven yet" };
    line("running", format!("{} in slot {}, {proven}", plain(&running["version"]), plain(&running["slot"])));
    let held = other["version"].as_str().map_or_else(|| "nothing".to_owned(), clean);
    line("other", format!("{held} in slot {}", plain(&other["slot"])));
    line("next start", plain(&answer["next"]));
    for file in answer["boot_files"].as_array().into_iter().flatten() {
        let tries = match &file["tries_left"] {
            Value::Null => "good".to_owned(),
            left if left == 0 => "failed".to_owned(),
            left => format!("{} tries left", plain(left)),
        };
        line("boot file", format!("{}, {tries}", plain(&file["version"])));
    }
    let source = answer["source"].as_str().map_or_else(|| "none".to_owned(), clean);
    line(
        "updates",
        if answer["takes_updates"] == true { format!("from {source}") } else { "not taken: no key".to_owned() },
    );
    line("last update", last_update(&answer["last_update"]));
    text
}

fn last_update(outcome: &Value) -> String {
    let version = outcome["version"].as_str().map(|version| format!("{}: ", clean(version))).unwrap_or_default();
    match outcome {
        Value::Null => "none since the machine started".to_owned(),
        _ => format!("{version}{}", outcome["error"].as_str().map_or_else(|| "well".to_owned(), clean)),
    }
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), clean)
}

pub(super) fn clean(text: &str) -> String {
    text.replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_read_by_people_and_obeyed_by_no_terminal() {
        let shown = status(&json!({
            "phase": "RUNNING", "version": "1", "revision": "r\u{1b}[2J", "address": "[::]:443", "workers": 2,
            "driver": "io_uring", "uptime_seconds": 5, "pid": 7, "configuration": "c.yaml", "generation": 3, "routes": 1,
            "last_error": {"why": "line 3: \u{7}no"}, "stuck_workers": [1],
        }));
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        for part in ["1 (r[2J)", "c.yaml, generation 3, 1 routes", "line 3: no", "workers 1"] {
            assert!(shown.contains(part), "{shown}");
        }
        let shown = routes(&json!({"routes": [
            {"name": "a", "from": "https://a", "match": {"prefix": "/x"}, "action": {"to": ["http://b"]},
             "endpoints": [{"address": "1.2.3.4:80"}]},
            {"name": "b", "from": "https://b", "match": {}, "action": "answered here", "endpoints": null},
        ]}));
        assert_eq!(shown, "a: https://a prefix /x -> http://b [1.2.3.4:80]\nb: https://b -> answered here []\n");
        assert_eq!(check("x", &json!({"status": "RUNNING", "error": "no"})), "x RUNNING: no");
        // Whatever comes, nothing panics.
        for strange in [json!(null), json!([1]), json!({"routes": {"a": 1}})] {
            let _ = (status(&strange), routes(&strange), report(&strange), image(&strange), check("", &strange));
        }
    }
}

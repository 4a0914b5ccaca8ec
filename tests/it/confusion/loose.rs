//! How the most careless of servers would read a path: whatever any of them does is done here, and again until nothing
//! changes.

/// Rounds of decoding.
const ROUNDS: usize = 4;

/// Every path that a careless server may take `target` for.
pub(super) fn readings(target: &str) -> Vec<String> {
    let path = target.split('?').next().unwrap_or_default();
    let mut readings = vec![resolved(path)];
    let mut text = path.to_owned();
    for _ in 0..ROUNDS {
        text = folded(&decoded(&text));
        readings.push(resolved(&text));
        readings.push(resolved(&without_parameters(&text)));
        readings.push(resolved(&merged(&text)));
        readings.push(resolved(&merged(&without_parameters(&text))));
    }
    readings
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Backslashes and what looks like dots and slashes.
fn folded(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\\' | '\u{a5}' | '\u{20a9}' | '\u{2216}' | '\u{2044}' | '\u{2215}' | '\u{ff0f}' | '\u{ff3c}'
            | '\u{29f8}' => '/',
            '\u{ff0e}' | '\u{2024}' => '.',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

fn without_parameters(text: &str) -> String {
    let segments: Vec<&str> = text.split('/').map(|s| s.split(';').next().unwrap_or_default()).collect();
    segments.join("/")
}

fn merged(text: &str) -> String {
    let mut merged = text.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

/// Without dot segments (RFC 3986 section 5.2.4).
fn resolved(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for segment in text.split('/').skip(1) {
        match segment.trim_end_matches([' ', '\0']) {
            "." => {}
            ".." => drop(out.pop()),
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

#[test]
fn careless_servers_climb() {
    for target in [
        "/public/../admin",
        "/public/..%2fadmin",
        "/public/%252e%252e/admin",
        "/public/..;x/admin",
        "/public/..\\admin",
    ] {
        assert!(readings(target).iter().any(|path| path == "/admin"), "{target}: {:?}", readings(target));
    }
    assert!(readings("/public/a").iter().all(|path| path == "/public/a"));
}

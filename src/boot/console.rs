//! `vallum console`: what a person in front of the machine must know, drawn anew when it changes.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::cli::Console;
use super::client;
use super::setup;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Largest file that is read for the picture.
const FILE_BYTES_MAX: usize = 4096;

/// Draws until the terminal goes away; once with `--once`.
pub fn run(wanted: &Console) -> ExitCode {
    let mut out = std::io::stdout();
    let mut drawn = String::new();
    loop {
        let picture = draw(client::status(&wanted.socket).as_ref(), &note(&wanted.socket), &release());
        // A serial line is a log as well: it gets what is new, not the same again and again.
        if picture != drawn {
            if out.write_all(picture.as_bytes()).and_then(|()| out.flush()).is_err() {
                return ExitCode::FAILURE;
            }
            drawn = picture;
        }
        if wanted.once {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn draw(status: Option<&Value>, note: &str, release: &str) -> String {
    let mut lines = vec![format!("Vallum   {release}")];
    match status {
        Some(status) => {
            let of = |key: &str| status[key].as_str().map_or_else(|| status[key].to_string(), clean);
            let stuck = status["stuck_workers"].as_array().is_some_and(|stuck| !stuck.is_empty());
            lines.push(format!("address  {}", of("address")));
            lines.push(format!("health   {}{}", of("phase"), if stuck { ", a worker is stuck" } else { "" }));
            lines.push(format!("version  {}", of("version")));
            lines.push(format!("config   {}, generation {}", of("configuration"), of("generation")));
            let error = status["last_error"]["why"].as_str().map_or_else(|| "none".to_owned(), clean);
            lines.push(format!("error    {error}"));
            if let Some(error) = status["last_update"]["error"].as_str() {
                lines.push(format!("update   {}", clean(error)));
            }
        }
        None if !note.is_empty() => lines.push(clean(note)),
        None => lines.push("health   not running".to_owned()),
    }
    format!("\r\n{}\r\n", lines.join("\r\n"))
}

/// What the set-up left for us, beside the socket.
fn note(socket: &Path) -> String {
    read(&socket.with_file_name(setup::NOTE))
}

/// The image and its version (os-release(5)).
fn release() -> String {
    let text = read(Path::new("/etc/os-release"));
    let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(unquote);
    match (of("IMAGE_ID"), of("IMAGE_VERSION")) {
        (Some(image), Some(version)) => format!("image {image} {version}"),
        _ => of("PRETTY_NAME").unwrap_or_default(),
    }
}

fn unquote(text: &str) -> String {
    clean(text.trim_matches('"'))
}

fn read(path: &Path) -> String {
    let mut bytes = std::fs::read(path).unwrap_or_default();
    bytes.truncate(FILE_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn clean(text: &str) -> String {
    text.replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_state_has_its_picture() {
        let status = json!({
            "address": "[::]:443", "phase": "RUNNING", "version": "1.0", "configuration": "c\u{1b}[2J", "generation": 3,
            "stuck_workers": [0], "last_error": {"why": "line 3: no"},
        });
        let picture = draw(Some(&status), "", "image vallum 1.0");
        for part in ["image vallum 1.0", "[::]:443", "RUNNING, a worker is stuck", "c[2J, generation 3", "line 3: no"] {
            assert!(picture.contains(part), "{picture}");
        }
        assert!(!picture.contains('\u{1b}') && !picture.contains("update"));
        let failed = json!({"last_update": {"at": 1, "version": "1.1.0", "error": "no \u{7}room"}});
        assert!(draw(Some(&failed), "", "").contains("update   no room"));
        assert!(draw(None, "open https://10.0.0.1/", "").contains("open https://10.0.0.1/"));
        assert!(draw(None, "", "").contains("not running"));
        assert!(draw(Some(&json!(null)), "", "").contains("error    none"));
    }
}

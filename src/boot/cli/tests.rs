//! Command lines, good and bad.

use super::*;

fn parsed(line: &[&str]) -> Result<Command, clap::error::ErrorKind> {
    let args = std::iter::once("vallum").chain(line.iter().copied()).map(OsString::from).collect();
    Line::try_parse_from(modernize(args).0).and_then(Line::meaning).map_err(|e| e.kind())
}

fn run(config: Option<&str>, log_format: LogFormat) -> Command {
    Command::Run(Run { config: config.map(PathBuf::from), managed: false, log_format })
}

#[test]
fn definition_is_sound() {
    definition().debug_assert();
}

#[test]
fn every_spelling_of_run() {
    let json = LogFormat::Json;
    for line in [
        &["run", "--config", "f"][..],
        &["run", "-config", "f"],
        &["run", "-config=f"],
        &["run", "--config=f"],
        &["run", "-c", "f"],
        &["-config", "f"],
        &["-config=f"],
        &["--config", "f"],
        &["--config=f"],
        &["-c", "f"],
    ] {
        assert_eq!(parsed(line), Ok(run(Some("f"), json)), "{line:?}");
    }
    assert_eq!(parsed(&["run"]), Ok(run(None, json)));
    assert_eq!(parsed(&["--log-format", "text"]), Ok(run(None, LogFormat::Text)));
    assert_eq!(parsed(&["-config", "f", "--log-format=text"]), Ok(run(Some("f"), LogFormat::Text)));
}

#[test]
fn a_rewritten_option_is_told_once() {
    let line = ["vallum", "-config", "f", "--config", "-configx", "--", "-version"].map(OsString::from).to_vec();
    let (line, rewritten) = modernize(line);
    assert_eq!(rewritten, ["config"]);
    assert_eq!(line, ["vallum", "run", "--config", "f", "--config", "-configx", "--", "-version"]);
}

#[test]
fn dev_stays_on_loopback() {
    let dev = |address: &str| Ok(Command::Dev(Dev { address: address.parse().unwrap(), state_dir: None }));
    assert_eq!(parsed(&["dev"]), dev("127.0.0.1:8443"));
    assert_eq!(parsed(&["dev", "--address", "[::1]:0"]), dev("[::1]:0"));
    for bad in ["0.0.0.0:8443", "192.0.2.1:1", "[::]:1", "localhost:1", "127.0.0.1", "127.0.0.1:99999", ""] {
        assert_eq!(parsed(&["dev", "--address", bad]), Err(clap::error::ErrorKind::ValueValidation), "{bad}");
    }
}

#[test]
fn validate_and_version() {
    assert_eq!(
        parsed(&["validate", "f", "--strict", "--format", "json"]),
        Ok(Command::Validate(
            Remote::default(),
            Validate { file: "f".into(), strict: true, format: ReportFormat::Json }
        ))
    );
    assert_eq!(parsed(&["version", "--json"]), Ok(Command::Version(Version { json: true })));
    assert_eq!(parsed(&["-version"]), Err(clap::error::ErrorKind::DisplayVersion));
    let printed: serde_json::Value = serde_json::from_str(&version_text(true)).unwrap();
    assert_eq!(printed["version"], VERSION);
    assert!(version_text(false).starts_with("vallum "));
}

#[test]
fn a_running_process_is_named_before_or_after_the_verb() {
    let socket = Remote { socket: Some("/s".into()), ..Remote::default() };
    let status = Ask::Status(Shown { json: true });
    for line in [&["--socket", "/s", "status", "--json"][..], &["status", "--json", "--socket", "/s"]] {
        assert_eq!(parsed(line), Ok(Command::Ask(socket.clone(), status.clone())), "{line:?}");
    }
    let mutual = ["--host", "edge:8444", "--cert", "c", "--key", "k", "--ca", "a"];
    assert!(matches!(parsed(&[&mutual[..], &["reload"]].concat()), Ok(Command::Ask(r, Ask::Reload)) if r.is_given()));
    for bad in [
        &["--host", "edge:8444", "status"][..],
        &["--socket", "/s", "run"],
        &["--socket", "/s", "--host", "h", "status"],
    ] {
        assert_eq!(parsed(bad), Err(clap::error::ErrorKind::ArgumentConflict), "{bad:?}");
    }
    let health = parsed(&["health", "-e", "a", "-e", "b", "-a", "127.0.0.1:1", "-v"]).unwrap();
    let Command::Health(_, health) = health else { panic!("{health:?}") };
    assert_eq!((health.exclude, health.address.port(), health.verbose), (vec!["a".into(), "b".into()], 1, true));
}

#[test]
fn wrong_usage_is_refused() {
    use clap::error::ErrorKind::*;
    assert_eq!(parsed(&[]), Err(DisplayHelpOnMissingArgumentOrSubcommand));
    assert_eq!(parsed(&["serve"]), Err(InvalidSubcommand));
    assert_eq!(parsed(&["validate"]), Err(MissingRequiredArgument));
    assert_eq!(parsed(&["run", "--log-format", "xml"]), Err(InvalidValue));
    assert!(parsed(&["run", "-configuration", "f"]).is_err());
    assert_eq!(parsed(&["-config"]), Err(InvalidValue));
}

#[test]
fn hostile_bytes_are_no_panic() {
    use std::os::unix::ffi::OsStringExt;
    let line = vec!["vallum".into(), OsString::from_vec(b"-config=\xff\xfe".to_vec())];
    let (line, _) = modernize(line);
    assert!(matches!(Line::try_parse_from(line).unwrap().verb, Verb::Run(Run { config: Some(_), .. })));
}

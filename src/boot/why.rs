//! `vallum why`: whether a request would be allowed, and which condition decides.

use std::fs::File;
use std::io::{BufReader, Write, stdin};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cli::ReportFormat;
use super::report::{self, environment, uses_color};
use crate::control::config::{self, Loaded};
use crate::control::why::{self, Answer, Case, Logged, Who};
use crate::plan::client_certificate::Standing;
use crate::plan::session::{Device, Enrollment};

/// No verdict: wrong usage, a configuration with errors, no such route, no such log line.
const NO_VERDICT: u8 = 2;

pub const HELP: &str = "\
Everything is decided from the configuration alone: nobody is asked, nothing is started.

Examples:
  vallum why --route wiki --email alice@example.com --config vallum.yaml
  vallum why --route https://shop.example.com/admin --email bob@example.com --group staff --ip 10.0.0.7
  vallum why --route api --config vallum.yaml                       nobody is signed in
  vallum why --route api --user u1 --claim roles=admin --method POST --path /v2/users
  vallum why --request-id 7f9c0d0e --log /var/log/vallum.log --config vallum.yaml
  journalctl -u vallum -o cat | vallum why --request-id 7f9c0d0e --log - --config vallum.yaml

Exit codes: 0 the request is allowed, 1 it is not (refused or sent to sign in), 2 no verdict.";

/// The question.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Why {
    /// The route: its name, its id, its position, or a URL, which is routed as a request would be
    #[arg(long, value_name = "ROUTE|URL", required_unless_present = "request_id", conflicts_with = "request_id")]
    pub route: Option<String>,
    /// Who asks: the user id; without any of these options nobody is signed in
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Who asks: the e-mail address (also the user id, unless that is given)
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// A group of theirs, in the directory and as claim `groups`; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// A claim of theirs; the value is JSON or else text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    pub claims: Vec<(String, Value)>,
    /// They come with a service account
    #[arg(long)]
    pub service_account: bool,
    /// The device that they showed: its credential id, enrolled and approved
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// The type of that device
    #[arg(long, value_name = "TYPE", default_value = "any", requires = "device")]
    pub device_type: String,
    /// Their client certificate, where the route asks for one
    #[arg(long, value_enum, default_value_t = Certificate::None)]
    pub certificate: Certificate,
    /// The request's method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub method: String,
    /// The request's path [default: that of the URL, or the first one of the route]
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// The client's address [default: 0.0.0.0, which is in no range but all]
    #[arg(long, value_name = "IP")]
    pub ip: Option<IpAddr>,
    /// The request is a CORS preflight
    #[arg(long, visible_alias = "cors")]
    pub preflight: bool,
    /// When they ask, such as 2026-12-24T18:00:00+01:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub time: Option<i64>,
    /// The tool that an MCP server is asked to call
    #[arg(long, value_name = "TOOL")]
    pub mcp_tool: Option<String>,
    /// The request id of a decision that was logged
    #[arg(long, value_name = "ID", requires = "log")]
    pub request_id: Option<String>,
    /// The log with that decision, as JSON lines; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "request_id")]
    pub log: Option<PathBuf>,
    /// The configuration file; without it the environment alone is read
    #[arg(long, short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// A client certificate, as far as it matters to whoever asks for a valid one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Certificate {
    None,
    Valid,
    Invalid,
}

impl From<Certificate> for Standing {
    fn from(certificate: Certificate) -> Standing {
        match certificate {
            Certificate::None => Standing::Missing,
            Certificate::Valid => Standing::Valid,
            Certificate::Invalid => Standing::Invalid,
        }
    }
}

/// Answers the question.
pub fn run(wanted: &Why) -> ExitCode {
    let answered = match (&wanted.route, &wanted.request_id, &wanted.log) {
        (Some(route), ..) => made_up(wanted, route),
        (_, Some(id), Some(log)) => logged(wanted, id, log),
        _ => Err("give --route, or --request-id and --log".to_owned()),
    };
    match answered {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("vallum: {message}");
            }
            ExitCode::from(NO_VERDICT)
        }
    }
}

/// A request that is made up; whether it is allowed.
fn made_up(wanted: &Why, route: &str) -> Result<bool, String> {
    let Loaded { plan, places, .. } = load(wanted.config.as_deref())?;
    let found = why::route(&plan, route, wanted.path.as_deref()).map_err(|error| error.to_string())?;
    let now = wanted.time.unwrap_or_else(|| OffsetDateTime::now_utc().unix_timestamp());
    let who = Who {
        user: wanted.user.clone(),
        email: wanted.email.clone(),
        groups: wanted.groups.clone(),
        claims: wanted.claims.clone(),
        service_account: wanted.service_account,
        device: wanted.device.as_ref().map(|id| Device {
            kind: wanted.device_type.as_str().into(),
            id: id.as_str().into(),
            enrollment: Some(Enrollment { approved_by: "an administrator".into() }),
        }),
    };
    let case = Case {
        session: who.session(now),
        method: if wanted.preflight { "OPTIONS".to_owned() } else { wanted.method.clone() },
        path: found.path.clone(),
        source: wanted.ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical(),
        cors_preflight: wanted.preflight,
        now,
        tool: wanted.mcp_tool.clone(),
        ..Case::default()
    }
    .on(found.route, wanted.certificate.into());
    let answer = Answer::new(&found, case, &places);
    print(wanted.format, || why::answer_json(&answer), |color, text| why::answer_text(&answer, color, text))?;
    Ok(answer.is_allowed())
}

/// A decision that was logged; whether it allowed.
fn logged(wanted: &Why, id: &str, log: &Path) -> Result<bool, String> {
    let line = match log.as_os_str() == "-" {
        true => why::find(&mut stdin().lock(), id),
        false => {
            let file = File::open(log).map_err(|error| format!("the log {} cannot be read: {error}", log.display()))?;
            why::find(&mut BufReader::new(file), id)
        }
    };
    let line = line.map_err(|error| error.to_string())?;
    let loaded = wanted.config.as_deref().map(|file| load(Some(file))).transpose()?;
    let logged = Logged::new(line, loaded.as_ref().map(|loaded| (&loaded.plan, &loaded.places)));
    print(wanted.format, || why::logged_json(&logged), |color, text| why::logged_text(&logged, color, text))?;
    Ok(logged.is_allowed())
}

/// The configuration; its problems are printed on standard error, and the error is then empty.
pub(super) fn load(file: Option<&Path>) -> Result<Loaded, String> {
    config::load(file, &environment(), 1).map_err(|problems| {
        report::print(&problems.list);
        String::new()
    })
}

fn print(
    format: ReportFormat,
    json: impl FnOnce() -> Value,
    text: impl FnOnce(bool, &mut String) -> std::fmt::Result,
) -> Result<(), String> {
    let mut out = std::io::stdout();
    let printed = match format {
        ReportFormat::Json => json().to_string() + "\n",
        ReportFormat::Text => {
            let mut printed = String::new();
            text(uses_color(&out), &mut printed).map_err(|error| error.to_string())?;
            printed
        }
    };
    out.write_all(printed.as_bytes()).map_err(|error| error.to_string())
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as roles=admin")?;
    if name.is_empty() {
        return Err("the claim has no name; expected NAME=VALUE, such as roles=admin".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

fn moment(text: &str) -> Result<i64, String> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339);
    let expected = "expected a date and time with its offset, such as 2026-12-24T18:00:00+01:00";
    parsed.map(OffsetDateTime::unix_timestamp).map_err(|error| format!("{error}; {expected}"))
}

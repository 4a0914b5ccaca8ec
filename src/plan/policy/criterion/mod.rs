//! Criteria: the single questions a policy asks of a request, and their answers.

mod judge;
mod words;

use ipnet::IpNet;
use serde_json::Value;

use super::certificate::CertificateMatcher;
use super::claim::ClaimPath;
use super::device::DeviceMatcher;
use super::matcher::{ListMatcher, TextMatcher};
use super::network;
use super::problem::{Problems, type_name};
use super::record::RecordMatcher;
use super::ssh::{self, ListedKey};
use super::time::{DateRange, DayTimes, Days};

/// One question. Written as text it is the policy's own words: `email is "a@example.com"`.
#[derive(Debug, Clone, PartialEq)]
pub enum Criterion {
    Accept,
    Reject,
    AuthenticatedUser,
    User(TextMatcher),
    Email(TextMatcher),
    Domain(TextMatcher),
    Groups(ListMatcher),
    Claim(ClaimPath, ListMatcher),
    Device(DeviceMatcher),
    Record(RecordMatcher),
    CorsPreflight,
    HttpMethod(TextMatcher),
    HttpPath(TextMatcher),
    SourceIp(Box<[IpNet]>),
    ClientCertificate(CertificateMatcher),
    InvalidClientCertificate,
    McpTool(TextMatcher),
    Date(DateRange),
    DayOfWeek(Days),
    TimeOfDay(DayTimes),
    SshPublicKey(Box<[ListedKey]>),
    SshCa(Box<[ListedKey]>),
    SshUsername(TextMatcher),
    SshUsernameMatchesEmail,
    SshUsernameMatchesClaim(ClaimPath),
}

/// What an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asks {
    session: bool,
    /// Anything else: the request, its connection, the time. Without it, an answer stands for as long as the session does.
    request: bool,
}

impl Criterion {
    /// Reads the criterion `key` (a name, or a name and a sub path behind the first `/`). `None`: it was reported.
    pub(super) fn read(key: &str, data: &Value, problems: &mut Problems) -> Option<Criterion> {
        let (name, sub_path) = key.split_once('/').unwrap_or((key, ""));
        Some(match name {
            "accept" => Criterion::Accept,
            "reject" => Criterion::Reject,
            "authenticated_user" => Criterion::AuthenticatedUser,
            "user" => Criterion::User(TextMatcher::read(data, problems)),
            "email" => Criterion::Email(TextMatcher::read(data, problems)),
            "domain" => Criterion::Domain(TextMatcher::read(data, problems)),
            "groups" => Criterion::Groups(ListMatcher::read(data, problems)),
            "claim" => Criterion::Claim(ClaimPath::new(sub_path), ListMatcher::read(data, problems)),
            "device" => Criterion::Device(DeviceMatcher::read(data, problems)?),
            "record" => Criterion::Record(RecordMatcher::read(data, problems)?),
            "cors_preflight" => Criterion::CorsPreflight,
            "http_method" => Criterion::HttpMethod(TextMatcher::read(data, problems)),
            "http_path" => Criterion::HttpPath(TextMatcher::read(data, problems)),
            "source_ip" => Criterion::SourceIp(network::read(data, problems)),
            "client_certificate" => Criterion::ClientCertificate(CertificateMatcher::read(data, problems)?),
            "invalid_client_certificate" => Criterion::InvalidClientCertificate,
            "mcp_tool" => Criterion::McpTool(TextMatcher::read(data, problems)),
            "date" => Criterion::Date(DateRange::read(data, problems)?),
            "day_of_week" => Criterion::DayOfWeek(Days::read(data, problems)?),
            "time_of_day" => Criterion::TimeOfDay(DayTimes::read(data, problems)?),
            "ssh_publickey" => Criterion::SshPublicKey(ssh::read_keys(data, problems)),
            "ssh_ca" => Criterion::SshCa(ssh::read_keys(data, problems)),
            "ssh_username" => Criterion::SshUsername(TextMatcher::read(data, problems)),
            "ssh_username_matches_email" => Criterion::SshUsernameMatchesEmail,
            "ssh_username_matches_claim" => match data {
                Value::String(path) => Criterion::SshUsernameMatchesClaim(ClaimPath::new(path)),
                _ => return problems.bad_data(format_args!("expected string value, got: {}", type_name(data))),
            },
            _ => return problems.report(format_args!("unknown policy criterion: {name}")),
        })
    }

    /// Whether the answer depends on the session.
    pub(super) fn asks_session(&self) -> bool {
        self.asks().session
    }

    /// Whether the answer depends on anything else; if not, it stands for as long as the session does.
    pub(super) fn asks_request(&self) -> bool {
        self.asks().request
    }

    /// Whether the answer depends on the message in the request's body.
    pub(super) fn asks_message(&self) -> bool {
        matches!(self, Criterion::McpTool(_))
    }

    /// The type of device that it asks for.
    pub(super) fn device_kind(&self) -> Option<&str> {
        match self {
            Criterion::Device(matcher) => Some(matcher.kind()),
            _ => None,
        }
    }

    fn asks(&self) -> Asks {
        match self {
            Criterion::Accept | Criterion::Reject => Asks { session: false, request: false },
            Criterion::AuthenticatedUser
            | Criterion::User(_)
            | Criterion::Email(_)
            | Criterion::Domain(_)
            | Criterion::Groups(_)
            | Criterion::Claim(..)
            | Criterion::Device(_)
            | Criterion::Record(_) => Asks { session: true, request: false },
            Criterion::CorsPreflight
            | Criterion::HttpMethod(_)
            | Criterion::HttpPath(_)
            | Criterion::SourceIp(_)
            | Criterion::ClientCertificate(_)
            | Criterion::InvalidClientCertificate
            | Criterion::McpTool(_)
            | Criterion::Date(_)
            | Criterion::DayOfWeek(_)
            | Criterion::TimeOfDay(_)
            | Criterion::SshPublicKey(_)
            | Criterion::SshCa(_)
            | Criterion::SshUsername(_) => Asks { session: false, request: true },
            Criterion::SshUsernameMatchesEmail | Criterion::SshUsernameMatchesClaim(_) => {
                Asks { session: true, request: true }
            }
        }
    }
}

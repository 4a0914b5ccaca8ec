//! What is asked of clients' certificates: `downstream_mtls` and the authorities of single routes.

use std::sync::Arc;

use regex::Regex;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate, X509Version};

use super::super::problem::Finding;
use super::super::section::{Choice, Desk, Typed};
use super::super::sections::client_certificate::ClientCertificates as Section;
use super::pem;
use crate::plan::client_certificate::{Enforcement, Index, NameKind, NamePattern, Parts, Terms};
use crate::plan::route::Route;

/// Before every message about `downstream_mtls`, as in Pomerium.
const BAD: &str = "config: bad downstream mTLS settings";
/// `max_verify_depth` by default: the authority itself issued the certificate.
const DEPTH_MAX: u32 = 1;
/// Most authorities in one bundle.
const AUTHORITIES_MAX: usize = 1000;

/// What `downstream_mtls` says, also for routes with authorities of their own.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Everything but the authorities.
    parts: Parts,
    /// The terms of every route that has none of its own.
    pub(super) global: Option<Arc<Terms>>,
}

pub(super) fn settings(section: &Section, insecure: bool, desk: &Desk) -> Settings {
    let parts = Parts {
        authorities: Vec::new(),
        revocations: revocations(section, desk),
        names: section.names.iter().filter_map(|typed| pattern(typed, desk)).collect(),
        depth_max: section.max_verify_depth.as_ref().map_or(DEPTH_MAX, |typed| typed.value as u32),
        enforcement: enforcement(section, desk),
    };
    let mut settings = Settings { parts, global: None };
    if let (Some(inline), Some(_)) = (filled(&section.ca.inline), filled(&section.ca.file)) {
        desk.problems.add(inline.error(format!("{BAD}: cannot set both ca and ca_file")));
    } else if let Some(given) = pem::given(&section.ca) {
        let what = if given.from_file { "CA file" } else { "CA" };
        settings.global = settings.terms(given, &format!("{BAD}: {what}"), desk);
    }
    if let Some(whole) = section.whole.as_ref().filter(|_| insecure && settings.global.is_some()) {
        let message = "`insecure_server` takes no client certificates: with `downstream_mtls`, every route that wants one \
                       refuses everybody";
        desk.problems.add(whole.warning(message));
    }
    settings
}

/// The index of who is asked for what; warns where `downstream_mtls` does nothing.
pub(super) fn index<'r>(
    section: &Section,
    settings: &Settings,
    routes: impl Iterator<Item = &'r Route> + Clone,
    desk: &Desk,
) -> Index {
    let is_used = settings.global.is_some() || routes.clone().any(|route| route.client_terms.is_some());
    if let Some(whole) = section.whole.as_ref().filter(|_| !is_used) {
        let message = "`downstream_mtls` has no effect: neither it nor any route names a client CA";
        desk.problems.add(whole.warning(message).help("set `ca_file` to the authority that issues the certificates"));
    }
    Index::new(settings.global.as_ref(), routes).unwrap_or_else(|error| {
        desk.problems.add(Finding::error(&Default::default(), "tls_downstream_client_ca", error.to_string()));
        Index::default()
    })
}

impl Settings {
    /// The terms of a route: with its own authorities if it names any. `None`: they are broken, which was reported.
    pub(super) fn of_route(&self, choice: &Choice, desk: &Desk) -> Option<Option<Arc<Terms>>> {
        let Some(given) = pem::given(choice) else { return Some(self.global.clone()) };
        let verb = if given.from_file { "load" } else { "decode" };
        self.terms(given, &format!("config: couldn't {verb} downstream client ca"), desk).map(Some)
    }

    fn terms(&self, given: pem::Given<'_>, fault: &str, desk: &Desk) -> Option<Arc<Terms>> {
        let report = |error: String| desk.problems.add(given.typed.error(format!("{fault}: {error}")));
        let pem = pem::text(given, desk).map_err(report).ok()?;
        let list = pem::certificates(&pem).and_then(at_most).map_err(report).ok()?;
        let authorities = authorities(list, given.typed, desk);
        if authorities.is_empty() {
            report("none of its certificates is that of a certificate authority".to_owned());
            return None;
        }
        let parts = Parts { authorities, ..self.parts.clone() };
        Terms::new(parts).map(Arc::new).map_err(|error| report(error.to_string())).ok()
    }
}

fn at_most(list: Vec<CertificateDer<'static>>) -> Result<Vec<CertificateDer<'static>>, String> {
    match list.len() {
        0..=AUTHORITIES_MAX => Ok(list),
        count => Err(format!("it holds {count} certificates, the limit is {AUTHORITIES_MAX}")),
    }
}

/// The certificates that may issue others. The verifier takes any certificate for an authority that it is told to take, so
/// that a leaf in the bundle would be one; malformed ones are left for it to name.
fn authorities(list: Vec<CertificateDer<'static>>, typed: &Typed<String>, desk: &Desk) -> Vec<CertificateDer<'static>> {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let mut kept = Vec::with_capacity(list.len());
    for certificate in list {
        let Ok((_, parsed)) = X509Certificate::from_der(&certificate) else {
            kept.push(certificate);
            continue;
        };
        let warn = |what: &str| {
            let message = format!("`{}`: the certificate {} {what}", typed.path, parsed.subject());
            desk.problems.add(typed.warning(message));
        };
        if !may_issue(&parsed) {
            warn("is not that of a certificate authority; it is ignored");
            continue;
        }
        if parsed.validity().not_after.timestamp() < now {
            warn("has expired: nothing that it issued is valid");
        }
        drop(parsed);
        kept.push(certificate);
    }
    kept
}

/// RFC 5280 sections 4.2.1.3 and 4.2.1.9; version 1 knows no extensions.
fn may_issue(certificate: &X509Certificate<'_>) -> bool {
    if certificate.version() != X509Version::V3 {
        return true;
    }
    let is_ca = matches!(certificate.basic_constraints(), Ok(Some(extension)) if extension.value.ca);
    let signs = certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    is_ca && signs
}

fn revocations(section: &Section, desk: &Desk) -> Vec<rustls_pki_types::CertificateRevocationListDer<'static>> {
    if let (Some(inline), Some(_)) = (filled(&section.crl.inline), filled(&section.crl.file)) {
        desk.problems.add(inline.error(format!("{BAD}: cannot set both crl and crl_file")));
        return Vec::new();
    }
    let Some(given) = pem::given(&section.crl) else { return Vec::new() };
    let what = if given.from_file { "CRL file" } else { "CRL" };
    let lists = pem::text(given, desk).and_then(|pem| pem::revocations(&pem));
    match lists {
        Ok(lists) => {
            lists.iter().for_each(|list| warn_of_age(list, given.typed, desk));
            // Compiled here once without authorities, so that a bad list is told where it stands.
            let alone = Parts { revocations: lists.clone(), ..Parts::default() };
            if let Err(error) = Terms::new(alone) {
                desk.problems.add(given.typed.error(format!("{BAD}: {what}: {error}")));
                return Vec::new();
            }
            lists
        }
        Err(error) => {
            desk.problems.add(given.typed.error(format!("{BAD}: {what}: {error}")));
            Vec::new()
        }
    }
}

fn warn_of_age(list: &[u8], typed: &Typed<String>, desk: &Desk) {
    let Ok((_, parsed)) = CertificateRevocationList::from_der(list) else { return };
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    if parsed.next_update().is_some_and(|next| next.timestamp() < now) {
        let issuer = parsed.issuer();
        let message = format!("`{}`: the revocation list of {issuer} is out of date; it is used as it is", typed.path);
        desk.problems.add(typed.warning(message));
    }
}

fn pattern(typed: &Typed<Option<(String, String)>>, desk: &Desk) -> Option<NamePattern> {
    let Some((kind, pattern)) = &typed.value else {
        desk.problems.add(typed.error(format!("{BAD}: unsupported SAN matcher format: expected {{type: pattern}}")));
        return None;
    };
    let known = match kind.to_ascii_lowercase().as_str() {
        "dns" => NameKind::Dns,
        "email" => NameKind::Email,
        "uri" => NameKind::Uri,
        "ip_address" => NameKind::IpAddress,
        "user_principal_name" => NameKind::UserPrincipalName,
        _ => {
            let help = "one of dns, email, uri, ip_address, user_principal_name";
            desk.problems.add(typed.error(format!("{BAD}: unknown SAN type {kind:?}")).help(help));
            return None;
        }
    };
    // Compiled alone first: `a)|(b` must not become a pattern by what is put around it.
    match Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$"))) {
        Ok(pattern) => Some(NamePattern { kind: known, pattern }),
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            desk.problems.add(typed.error(format!("{BAD}: couldn't parse pattern {pattern:?}: {reason}")));
            None
        }
    }
}

fn enforcement(section: &Section, desk: &Desk) -> Enforcement {
    let Some(typed) = &section.enforcement else { return Enforcement::default() };
    match typed.value.trim().to_ascii_lowercase().as_str() {
        "" | "unknown" | "policy_with_default_deny" => Enforcement::PolicyWithDefaultDeny,
        "policy" => Enforcement::Policy,
        "reject_connection" => Enforcement::RejectConnection,
        _ => {
            let message = format!("unsupported enum value {} for downstream_mtls.enforcement", typed.value);
            desk.problems.add(typed.error(message).help("one of policy, policy_with_default_deny, reject_connection"));
            Enforcement::default()
        }
    }
}

fn filled(opt: &Option<Typed<String>>) -> Option<&Typed<String>> {
    opt.as_ref().filter(|typed| !typed.value.trim().is_empty())
}

//! The certificates that we answer with: read, matched with their keys, indexed by the names they carry.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::super::problem::{Finding, Spot};
use super::super::section::{Desk, Typed};
use super::super::sections::certificate::{Certificates as Section, Pair};
use super::pem;
use crate::plan::certificate::Index;

/// Most certificates of one configuration.
const CERTIFICATES_MAX: usize = 10_000;
/// Longest chain of one certificate.
const CHAIN_MAX: usize = 16;

/// A certificate with its key, the names that it carries and when it is good (Unix seconds).
struct Loaded {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
}

pub(super) fn index(section: &Section, insecure: bool, desk: &Desk) -> Index {
    let mut index = Index::default();
    let mut add = |loaded: Result<Loaded, String>, typed: &Typed<()>| match loaded {
        Ok(loaded) => {
            if let Some(message) = lifetime_problem(&loaded) {
                desk.problems.add(typed.warning(message));
            }
            index.insert(loaded.key, loaded.names.iter().map(String::as_str));
        }
        Err(message) => desk.problems.add(typed.error(message)),
    };
    for pair in section.list.iter().take(CERTIFICATES_MAX) {
        add(from_pair(pair, desk), &pair.entry);
    }
    if let Some(extra) = section.list.get(CERTIFICATES_MAX) {
        desk.problems.add(extra.entry.error(format!("there are more than {CERTIFICATES_MAX} certificates")));
    }
    for (cert, key, decode, what) in [
        (&section.inline.0, &section.inline.1, inline as fn(&str, &Desk) -> _, "cert base64"),
        (&section.file.0, &section.file.1, file, "cert file"),
    ] {
        let Some(any) = cert.as_ref().or(key.as_ref()) else { continue };
        let (Some(cert), Some(key)) = (cert, key) else {
            let missing = if cert.is_some() { "its key" } else { "its certificate" };
            desk.problems.add(any.error(format!("config: bad {what} `{}`: {missing} is missing", any.path)));
            continue;
        };
        let loaded = decode(&cert.value, desk).and_then(|c| load(&c, &decode(&key.value, desk)?));
        add(loaded.map_err(|e| format!("config: bad {what} {e}")), &cert.with(()));
    }
    if index.is_empty() && !section.any && !insecure {
        let message = "no certificate is configured: every connection gets a self-signed one, which browsers refuse";
        let help = "set `certificate_file` and `certificate_key_file`, or `certificates`";
        desk.problems.add(Finding::warning(&Spot::default(), "certificates", message).help(help));
    }
    index
}

fn from_pair(pair: &Pair, desk: &Desk) -> Result<Loaded, String> {
    let (Some(cert), Some(key)) = (&pair.cert, &pair.key) else {
        let missing = if pair.cert.is_none() { "cert" } else { "key" };
        return Err(format!("config: invalid certificate entry: `{missing}` is missing"));
    };
    let read = |text: &str| {
        let is_path = !text.starts_with("-----BEGIN") && !text.starts_with("LS0t");
        let bytes = if is_path { file(text, desk) } else { inline(text, desk) };
        bytes.map_err(|e| format!("config: bad cert entry, file reference invalid. {e}"))
    };
    let (cert, key) = (read(cert.value.trim())?, read(key.value.trim())?);
    load(&cert, &key).map_err(|e| format!("config: bad cert entry, cert is invalid: {e}"))
}

fn file(path: &str, desk: &Desk) -> Result<Vec<u8>, String> {
    desk.files.read(path.trim()).map_err(|e| e.to_string())
}

/// PEM as it is, or in base64.
fn inline(text: &str, _desk: &Desk) -> Result<Vec<u8>, String> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    let compact: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(compact).map_err(|_| "the value is not base64 of PEM text".to_owned())
}

fn load(cert: &[u8], key: &[u8]) -> Result<Loaded, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert)
        .take(CHAIN_MAX)
        .collect::<Result<_, _>>()
        .map_err(|e| format!("the certificate is malformed: {e}"))?;
    let leaf = chain.first().ok_or("there is no certificate in PEM form")?;
    let (names, not_before, not_after) = describe(leaf)?;
    let key = pem::private_key(key)?;
    let signing = any_supported_type(&key).map_err(|_| "the private key is of no supported kind (EC, RSA, Ed25519)")?;
    let key = CertifiedKey::new(chain.clone(), signing);
    match key.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => return Err("the private key does not belong to the certificate".to_owned()),
    }
    Ok(Loaded { key: Arc::new(key), names, not_before, not_after })
}

/// The names of a certificate (subject alternative names; the common name only where there are none) and its life.
fn describe(der: &CertificateDer<'_>) -> Result<(Vec<String>, i64, i64), String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|e| format!("the certificate is malformed: {e}"))?;
    let mut names = Vec::new();
    let alternatives = certificate.subject_alternative_name().map_err(|e| format!("its names are malformed: {e}"))?;
    for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => names.extend(address_name(bytes)),
            _ => {}
        }
    }
    if names.is_empty() {
        let common = certificate.subject().iter_common_name().filter_map(|cn| cn.as_str().ok());
        names.extend(common.map(str::to_owned));
    }
    let validity = certificate.validity();
    Ok((names, validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// An address as it stands in an authority: IPv6 in brackets.
fn address_name(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| format!("[{}]", std::net::Ipv6Addr::from(v6)))
}

fn lifetime_problem(loaded: &Loaded) -> Option<String> {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let name = loaded.names.first().map_or("without a name", String::as_str);
    if now > loaded.not_after {
        return Some(format!("the certificate {name} has expired"));
    }
    (now < loaded.not_before).then(|| format!("the certificate {name} is not valid yet"))
}

/// Warns about hosts for which no configured certificate answers.
pub(super) fn covers<'a>(index: &Index, hosts: impl Iterator<Item = (&'a str, &'a Typed<String>)>, desk: &Desk) {
    if index.is_empty() {
        return;
    }
    let mut warned = std::collections::HashSet::new();
    for (host, typed) in hosts {
        // For a wildcard host any one label stands for the rest.
        let sample = host.replacen("*.", "x.", 1);
        if !sample.contains('*') && index.find(&sample).is_none() && warned.insert(host) {
            let message = format!("no configured certificate covers {host}: it gets a self-signed one");
            desk.problems.add(typed.warning(message));
        }
    }
}

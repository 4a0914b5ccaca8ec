//! The local CA, made once, and the certificate of the site, made anew whenever it no longer fits.
//!
//! The CA may vouch for names below `localhost` only (name constraints, RFC 5280 section 4.2.1.10), so that trusting
//! it gives whoever steals its key no other site.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::{Pem, parse_x509_pem};

use super::DevError;
use super::keys::{new_key, parse_key};
use super::site::HOSTS;
use super::state::{OPEN_MODE, SECRET_MODE, StateDir};

pub const CA_FILE: &str = "ca.pem";
pub const CA_KEY_FILE: &str = "ca.key.pem";
pub const LEAF_FILE: &str = "localhost.pem";
pub const LEAF_KEY_FILE: &str = "localhost.key.pem";

/// Life of the CA.
const CA_LIFE: Duration = Duration::days(3650);
/// Life of the site's certificate; browsers refuse more than 397 days.
const LEAF_LIFE: Duration = Duration::days(365);
/// A certificate with less than this left is replaced.
const LIFE_LEFT_MIN: Duration = Duration::days(30);
/// Certificates begin this much in the past, for clocks that run behind.
const BACKDATE: Duration = Duration::hours(1);

/// What the rest needs to know of the certificates.
#[derive(Debug)]
pub struct Certificates {
    /// The CA's common name, as a trust store lists it.
    pub ca_name: String,
}

struct Ca {
    pem: Pem,
    name: String,
    key: KeyPair,
}

/// Reads the certificates, making what is missing and the site's one when it is damaged, foreign or near its end.
pub fn load_or_make(state: &StateDir, now: OffsetDateTime) -> Result<Certificates, DevError> {
    let ca = match state.read(CA_FILE)? {
        Some(certificate) => load_ca(state, &certificate, now)?,
        // A key without certificate is a start that broke off: nobody can trust it yet.
        None => make_ca(state, now)?,
    };
    if !leaf_fits(state, &ca, now)? {
        make_leaf(state, &ca, now)?;
    }
    Ok(Certificates { ca_name: ca.name })
}

fn load_ca(state: &StateDir, certificate: &str, now: OffsetDateTime) -> Result<Ca, DevError> {
    let corrupt = |file: &str, what: &str| DevError::Corrupt {
        path: state.file(file),
        what: what.to_owned(),
        remedy: format!("delete {CA_FILE} and {CA_KEY_FILE}, start again, and trust the new CA instead of the old one"),
    };
    let Some(key) = state.read_secret(CA_KEY_FILE)? else {
        return Err(corrupt(CA_KEY_FILE, "is missing although its certificate is there"));
    };
    let key = parse_key(&key).map_err(|what| corrupt(CA_KEY_FILE, &what))?;
    let damaged = || corrupt(CA_FILE, "is not a certificate in PEM");
    let (_, pem) = parse_x509_pem(certificate.as_bytes()).map_err(|_| damaged())?;
    let x509 = pem.parse_x509().map_err(|_| damaged())?;
    if x509.public_key().subject_public_key.data != key.public_key_raw() {
        return Err(corrupt(CA_FILE, "does not belong to its key"));
    }
    if !x509.is_ca() || remaining(&x509, now) < LIFE_LEFT_MIN {
        return Err(corrupt(CA_FILE, "is not a CA certificate with 30 days left"));
    }
    let name = x509.subject().iter_common_name().next().and_then(|n| n.as_str().ok()).unwrap_or_default().to_owned();
    drop(x509);
    Ok(Ca { pem, name, key })
}

fn make_ca(state: &StateDir, now: OffsetDateTime) -> Result<Ca, DevError> {
    let key_pem = new_key()?;
    let key = parse_key(&key_pem).map_err(|cause| DevError::Make { what: "the CA's key", cause })?;
    let tail = u32::from_be_bytes(crate::crypto::random_bytes());
    let name = format!("Vallum development CA {tail:08x}");
    let certificate = ca_params(&name, now).self_signed(&key).map_err(failed("the CA"))?;
    let (_, pem) = parse_x509_pem(certificate.pem().as_bytes())
        .map_err(|e| DevError::Make { what: "the CA", cause: e.to_string() })?;
    // The certificate last: once it is there, the pair is whole.
    state.write(CA_KEY_FILE, &key_pem, SECRET_MODE)?;
    state.write(CA_FILE, &certificate.pem(), OPEN_MODE)?;
    Ok(Ca { pem, name, key })
}

fn ca_params(name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("localhost".into())],
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0)),
        ],
    });
    (params.not_before, params.not_after) = (now - BACKDATE, now + CA_LIFE);
    params
}

/// Whether the site's certificate is whole, from this CA, for these names, with this key, and has time left.
fn leaf_fits(state: &StateDir, ca: &Ca, now: OffsetDateTime) -> Result<bool, DevError> {
    let unless_damaged = |text| match text {
        // Nobody trusts the leaf itself, so a damaged one is simply replaced.
        Err(DevError::Corrupt { .. }) => Ok(None),
        other => other,
    };
    let certificate = unless_damaged(state.read(LEAF_FILE))?;
    let key = unless_damaged(state.read_secret(LEAF_KEY_FILE))?;
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(false) };
    let (Ok(key), Ok((_, pem))) = (parse_key(&key), parse_x509_pem(certificate.as_bytes())) else { return Ok(false) };
    let (Ok(leaf), Ok(issuer)) = (pem.parse_x509(), ca.pem.parse_x509()) else { return Ok(false) };
    let in_time =
        leaf.validity().not_before.timestamp() <= now.unix_timestamp() && remaining(&leaf, now) >= LIFE_LEFT_MIN;
    Ok(in_time
        && leaf.public_key().subject_public_key.data == key.public_key_raw()
        && leaf.issuer() == issuer.subject()
        && signed_by(&leaf, &ca.key)
        && names(&leaf) == wanted_names())
}

fn make_leaf(state: &StateDir, ca: &Ca, now: OffsetDateTime) -> Result<(), DevError> {
    let key_pem = new_key()?;
    let key = parse_key(&key_pem).map_err(|cause| DevError::Make { what: "the certificate's key", cause })?;
    let certificate = leaf_certificate(ca, &key, wanted_names(), now).map_err(failed("the certificate"))?;
    // A start that breaks off between the two leaves a pair that does not match, and the next start replaces it.
    state.write(LEAF_KEY_FILE, &key_pem, SECRET_MODE)?;
    state.write(LEAF_FILE, &certificate.pem(), OPEN_MODE)
}

fn leaf_certificate(
    ca: &Ca,
    key: &KeyPair,
    names: Vec<String>,
    now: OffsetDateTime,
) -> Result<Certificate, rcgen::Error> {
    let x509 = ca.pem.parse_x509().map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name("localhost");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - BACKDATE;
    params.not_after = x509.validity().not_after.to_datetime().min(now + LEAF_LIFE);
    let issuer = Issuer::from_ca_cert_der(&ca.pem.contents.as_slice().into(), &ca.key)?;
    params.signed_by(key, &issuer)
}

/// The names of the certificate, one by one. `*.localhost` is not among them: OpenSSL, Chromium and Firefox match no
/// wildcard directly below a top-level name, and webpki refuses a whole certificate that has one under name
/// constraints.
fn wanted_names() -> Vec<String> {
    let hosts = HOSTS.iter().map(|host| format!("{host}.localhost"));
    hosts.chain(["localhost".into()]).collect()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn signed_by(certificate: &X509Certificate<'_>, key: &KeyPair) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key_raw())
        .verify(certificate.tbs_certificate.as_ref(), &certificate.signature_value.data)
        .is_ok()
}

fn remaining(certificate: &X509Certificate<'_>, now: OffsetDateTime) -> Duration {
    certificate.validity().not_after.to_datetime() - now
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn failed(what: &'static str) -> impl Fn(rcgen::Error) -> DevError {
    move |error| DevError::Make { what, cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn open(root: &Path) -> StateDir {
        StateDir::open(&root.join("state")).unwrap()
    }

    fn text(state: &StateDir, name: &str) -> String {
        fs::read_to_string(state.file(name)).unwrap()
    }

    fn verifies(ca: &str, leaf: &str, name: &str) -> Result<(), String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
        let name = ServerName::try_from(name).unwrap();
        verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now()).map(drop).map_err(|e| e.to_string())
    }

    #[test]
    fn a_tls_client_that_trusts_the_ca_accepts_the_site() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        load_or_make(&state, now()).unwrap();
        let (ca, leaf) = (text(&state, CA_FILE), text(&state, LEAF_FILE));
        for host in HOSTS {
            verifies(&ca, &leaf, &format!("{host}.localhost")).unwrap();
        }
        verifies(&ca, &leaf, "localhost").unwrap();
        assert!(verifies(&ca, &leaf, "example.com").is_err());
    }

    #[test]
    fn the_ca_cannot_vouch_for_anything_else() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        let ca = make_ca(&state, now()).unwrap();
        let key = parse_key(&new_key().unwrap()).unwrap();
        for name in ["example.com", "localhost.example.com", "127.0.0.1"] {
            let leaf = leaf_certificate(&ca, &key, vec![name.into()], now()).unwrap();
            let error = verifies(&text(&state, CA_FILE), &leaf.pem(), name).unwrap_err();
            assert!(error.contains("NameConstraint"), "{name}: {error}");
        }
    }

    #[test]
    fn the_ca_stays_and_the_leaf_is_replaced_near_its_end() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        let name = load_or_make(&state, now()).unwrap().ca_name;
        let (ca, leaf) = (text(&state, CA_FILE), text(&state, LEAF_FILE));
        load_or_make(&state, now() + LEAF_LIFE - LIFE_LEFT_MIN - Duration::days(1)).unwrap();
        assert_eq!(text(&state, LEAF_FILE), leaf, "31 days left");
        load_or_make(&state, now() + LEAF_LIFE - LIFE_LEFT_MIN + Duration::days(1)).unwrap();
        assert_ne!(text(&state, LEAF_FILE), leaf, "29 days left");
        assert_eq!(text(&state, CA_FILE), ca);
        assert_eq!(load_or_make(&state, now()).unwrap().ca_name, name);
    }

    #[test]
    fn a_leaf_lives_no_longer_than_browsers_allow_nor_than_its_ca() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        let ca = make_ca(&state, now()).unwrap();
        let key = parse_key(&new_key().unwrap()).unwrap();
        let life = |at| {
            let leaf = leaf_certificate(&ca, &key, wanted_names(), at).unwrap();
            let (_, leaf) = x509_parser::parse_x509_certificate(leaf.der()).unwrap();
            leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp()
        };
        assert!(life(now()) <= Duration::days(397).whole_seconds());
        let late = life(now() + CA_LIFE - Duration::days(40));
        assert!((39..=41).contains(&(late / 86_400)), "{late}");
    }

    #[test]
    fn a_leaf_that_does_not_fit_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        load_or_make(&state, now()).unwrap();
        let spoils: [(&str, Option<&str>); 5] = [
            (LEAF_FILE, None),
            (LEAF_KEY_FILE, None),
            (LEAF_FILE, Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END")),
            (LEAF_KEY_FILE, Some("")),
            (LEAF_KEY_FILE, Some(&new_key().unwrap())),
        ];
        for (file, content) in spoils {
            match content {
                Some(content) => fs::write(state.file(file), content).unwrap(),
                None => fs::remove_file(state.file(file)).unwrap(),
            }
            load_or_make(&state, now()).unwrap();
            verifies(&text(&state, CA_FILE), &text(&state, LEAF_FILE), "verify.localhost").unwrap();
        }
    }

    #[test]
    fn a_new_ca_brings_a_new_leaf() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        load_or_make(&state, now()).unwrap();
        fs::remove_file(state.file(CA_FILE)).unwrap();
        load_or_make(&state, now()).unwrap();
        verifies(&text(&state, CA_FILE), &text(&state, LEAF_FILE), "verify.localhost").unwrap();
    }

    #[test]
    fn a_damaged_ca_is_named_and_never_replaced_silently() {
        let root = tempfile::tempdir().unwrap();
        let state = open(root.path());
        let foreign = new_key().unwrap();
        for (file, content) in [(CA_FILE, "half"), (CA_KEY_FILE, "half"), (CA_KEY_FILE, foreign.as_str())] {
            make_ca(&state, now()).unwrap();
            fs::write(state.file(file), content).unwrap();
            let error = load_or_make(&state, now()).unwrap_err().to_string();
            assert!(error.contains("/ca.") && error.contains("delete ca.pem and ca.key.pem"), "{error}");
            assert_eq!(text(&state, file), content);
        }
        make_ca(&state, now()).unwrap();
        fs::remove_file(state.file(CA_KEY_FILE)).unwrap();
        assert!(load_or_make(&state, now()).unwrap_err().to_string().contains("ca.key.pem is missing"));
        make_ca(&state, now()).unwrap();
        assert!(load_or_make(&state, now() + CA_LIFE).unwrap_err().to_string().contains("30 days"));
    }
}

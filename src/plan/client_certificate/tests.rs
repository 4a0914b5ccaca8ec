//! Chains made on the spot, judged by terms; and what is asked by which name.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, OtherNameValue, RevokedCertParams,
    SanType, SerialNumber,
};
use regex::Regex;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use time::{Duration, OffsetDateTime};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn root(name: &str) -> Authority {
    Authority::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn below(above: &Authority, name: &str) -> Authority {
    Authority::signed_by(authority_params(name), KeyPair::generate().unwrap(), above).unwrap()
}

/// A leaf for client authentication, changed by `edit`.
fn issue(issuer: &Issuer<'_, KeyPair>, edit: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(vec!["laptop.example.com".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(7));
    edit(&mut params);
    params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().clone()
}

fn crl(issuer: &Issuer<'_, KeyPair>, serials: &[u64], next: OffsetDateTime) -> CertificateRevocationListDer<'static> {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: OffsetDateTime::now_utc() - Duration::days(1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: OffsetDateTime::now_utc() - Duration::days(2),
        next_update: next,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().der().clone()
}

fn terms(authorities: &[&Authority]) -> Parts {
    Parts { authorities: authorities.iter().map(|a| a.der().clone()).collect(), depth_max: 1, ..Parts::default() }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn judge(parts: &Parts, chain: &[CertificateDer<'static>]) -> Result<i64, Flaw> {
    let leaf = chain.first().map(|der| Leaf::read(der)).unwrap_or_default();
    Terms::new(parts.clone()).unwrap().judge(chain, &leaf, now())
}

fn flaw(parts: &Parts, chain: &[CertificateDer<'static>]) -> Option<Flaw> {
    judge(parts, chain).err()
}

#[test]
fn a_chain_is_judged_by_issuer_life_and_use() {
    let (ours, theirs) = (root("ours"), root("theirs"));
    let parts = terms(&[&ours]);
    let at = |days: i64| OffsetDateTime::now_utc() + Duration::days(days);
    assert_eq!(flaw(&parts, &[]), Some(Flaw::Missing));
    assert_eq!(flaw(&parts, &[issue(&ours, |_| {})]), None);
    assert_eq!(flaw(&parts, &[issue(&ours, |p| p.extended_key_usages.clear())]), None, "no usage is any usage");
    assert_eq!(flaw(&parts, &[issue(&theirs, |_| {})]), Some(Flaw::UnknownIssuer));
    assert_eq!(flaw(&terms(&[&ours, &theirs]), &[issue(&theirs, |_| {})]), None);
    let same_name = root("ours");
    let forged = flaw(&parts, &[issue(&same_name, |_| {})]);
    assert!(matches!(forged, Some(Flaw::Other | Flaw::UnknownIssuer)), "{forged:?}");
    let expired = issue(&ours, |p| (p.not_before, p.not_after) = (at(-9), at(-1)));
    assert_eq!(flaw(&parts, &[expired]), Some(Flaw::Expired));
    let early = issue(&ours, |p| (p.not_before, p.not_after) = (at(1), at(9)));
    assert_eq!(flaw(&parts, &[early]), Some(Flaw::NotYetValid));
    let server = issue(&ours, |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(flaw(&parts, &[server]), Some(Flaw::Usage));
    assert_eq!(flaw(&parts, &[ours.der().clone()]), Some(Flaw::Usage), "an authority is no client");
    assert_eq!(flaw(&parts, &[CertificateDer::from(b"nonsense".to_vec())]), Some(Flaw::Malformed));
}

#[test]
fn a_judgement_ends_with_the_first_life_of_the_chain() {
    let end = |days: i64| OffsetDateTime::now_utc() + Duration::days(days);
    let root = root("root");
    let mut short = authority_params("short");
    short.not_after = end(5);
    let between = Authority::signed_by(short, KeyPair::generate().unwrap(), &root).unwrap();
    let parts = Parts { depth_max: 2, ..terms(&[&root]) };
    let long = issue(&between, |p| p.not_after = end(9));
    assert_eq!(judge(&parts, &[long, between.der().clone()]), Ok(end(5).unix_timestamp()));
    let shorter = issue(&between, |p| p.not_after = end(3));
    assert_eq!(judge(&parts, &[shorter, between.der().clone()]), Ok(end(3).unix_timestamp()));
}

#[test]
fn an_authority_that_has_expired_vouches_for_nobody() {
    let mut params = authority_params("old");
    params.not_after = OffsetDateTime::now_utc() - Duration::days(1);
    let old = Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    assert_eq!(flaw(&terms(&[&old]), &[issue(&old, |_| {})]), Some(Flaw::Expired));
}

#[test]
fn depth_counts_the_certificates_above_the_leaf() {
    let root = root("root");
    let first = below(&root, "first");
    let second = below(&first, "second");
    let chain = [issue(&second, |_| {}), second.der().clone(), first.der().clone()];
    for (depth_max, expected) in [(1, Some(Flaw::TooDeep)), (2, Some(Flaw::TooDeep)), (3, None), (4, None), (0, None)] {
        assert_eq!(flaw(&Parts { depth_max, ..terms(&[&root]) }, &chain), expected, "{depth_max}");
    }
    // What the bundle holds is an authority itself.
    assert_eq!(flaw(&terms(&[&root, &second]), &chain), None);
    // Certificates that lead nowhere do not count.
    let direct = [issue(&root, |_| {}), second.der().clone(), first.der().clone()];
    assert_eq!(flaw(&terms(&[&root]), &direct), None);
}

#[test]
fn revocation_is_asked_of_the_leafs_issuer_alone() {
    let root = root("root");
    let between = below(&root, "between");
    let later = OffsetDateTime::now_utc() + Duration::days(1);
    let direct = [issue(&root, |_| {})];
    let with = |lists: Vec<CertificateRevocationListDer<'static>>| Parts {
        revocations: lists,
        depth_max: 0,
        ..terms(&[&root])
    };
    assert_eq!(flaw(&with(vec![crl(&root, &[8], later)]), &direct), None);
    assert_eq!(flaw(&with(vec![crl(&root, &[8, 7], later)]), &direct), Some(Flaw::Revoked));
    let past = OffsetDateTime::now_utc() - Duration::hours(1);
    assert_eq!(flaw(&with(vec![crl(&root, &[8], past)]), &direct), None, "out of date, and used as it is");
    assert_eq!(flaw(&with(vec![crl(&root, &[7], past)]), &direct), Some(Flaw::Revoked));
    // A list of that name by another key is not to be trusted, and so nothing of that issuer is.
    let impostor = crl(&self::root("root"), &[8], later);
    assert!(flaw(&with(vec![impostor]), &direct).is_some());

    let indirect = [issue(&between, |_| {}), between.der().clone()];
    assert_eq!(flaw(&with(vec![crl(&root, &[7], later)]), &indirect), None, "the list of another issuer");
    assert_eq!(flaw(&with(vec![crl(&between, &[7], later)]), &indirect), Some(Flaw::Revoked));
}

#[test]
fn one_name_must_match_in_full() {
    let root = root("root");
    let principal = OtherNameValue::Utf8String("alice@corp.example".to_owned());
    let chain = [issue(&root, |p| {
        p.subject_alt_names = vec![
            SanType::DnsName("laptop.example.com".try_into().unwrap()),
            SanType::Rfc822Name("alice@example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/alice".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], principal)),
        ];
    })];
    let with = |patterns: &[(NameKind, &str)]| Parts {
        names: patterns
            .iter()
            .map(|(kind, pattern)| NamePattern {
                kind: *kind,
                pattern: Regex::new(&format!("^(?:{pattern})$")).unwrap(),
            })
            .collect(),
        ..terms(&[&root])
    };
    for (kind, pattern, expected) in [
        (NameKind::Dns, "laptop.*", None),
        (NameKind::Dns, "laptop", Some(Flaw::Name)),
        (NameKind::Email, ".*@example\\.com", None),
        (NameKind::Email, "laptop.*", Some(Flaw::Name)),
        (NameKind::Uri, "spiffe://example\\.com/.*", None),
        (NameKind::IpAddress, "192\\.0\\.2\\.\\d+", None),
        (NameKind::IpAddress, "2001:db8::7", None),
        (NameKind::UserPrincipalName, "alice@corp\\.example", None),
        (NameKind::UserPrincipalName, "alice", Some(Flaw::Name)),
    ] {
        assert_eq!(flaw(&with(&[(kind, pattern)]), &chain), expected, "{kind:?} {pattern}");
    }
    assert_eq!(flaw(&with(&[(NameKind::Dns, "x"), (NameKind::Email, "a.*")]), &chain), None, "any will do");
}

#[test]
fn a_leaf_says_who_it_is() {
    let root = root("root");
    let der = issue(&root, |p| p.subject_alt_names.push(SanType::Rfc822Name("a@example.com".try_into().unwrap())));
    let leaf = Leaf::read(&der);
    assert_eq!(leaf.fingerprint_hex().len(), 64);
    assert_eq!((&*leaf.subject, &*leaf.issuer), ("CN=leaf", "CN=root"));
    assert_eq!(*leaf.names.dns, ["laptop.example.com".into()]);
    assert_eq!(*leaf.names.email, ["a@example.com".into()]);
    assert_ne!(leaf.spki_hash, [0; 32]);
    let nonsense = Leaf::read(b"nonsense");
    assert_eq!((nonsense.spki_hash, nonsense.names), ([0; 32], Names::default()));
}

#[test]
fn equal_terms_have_equal_digests_and_no_others() {
    let (a, b) = (root("a"), root("b"));
    let list = crl(&a, &[1], OffsetDateTime::now_utc() + Duration::days(1));
    let base = terms(&[&a]);
    let name = |pattern| NamePattern { kind: NameKind::Dns, pattern: Regex::new(pattern).unwrap() };
    let digest = |parts: &Parts| Terms::new(parts.clone()).unwrap().digest();
    assert_eq!(digest(&base), digest(&base.clone()));
    let others = [
        terms(&[&b]),
        terms(&[&a, &b]),
        Parts { revocations: vec![list], ..base.clone() },
        Parts { depth_max: 2, ..base.clone() },
        Parts { enforcement: Enforcement::Policy, ..base.clone() },
        Parts { names: vec![name("x")], ..base.clone() },
        Parts { names: vec![name("x"), name("x")], ..base.clone() },
    ];
    let mut digests: Vec<Digest> = others.iter().map(digest).chain([digest(&base)]).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), others.len() + 1);
}

//! The terms on which a client certificate is valid: authorities, revocations, depth, names.

use std::time::Duration;

use aws_lc_rs::digest;
use regex::Regex;
use rustls::crypto::aws_lc_rs as provider;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath, anchor_from_trusted_cert,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::flaw::Flaw;
use super::leaf::{Leaf, Names};

/// Tells terms apart: equal terms have equal digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// `downstream_mtls.enforcement`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// Only what policies say.
    Policy,
    /// Every route of these terms refuses whoever shows no valid certificate.
    #[default]
    PolicyWithDefaultDeny,
    /// The handshake fails without a valid certificate; routes refuse as well, since terms may change under a connection.
    RejectConnection,
}

/// A kind of subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    Dns,
    Email,
    Uri,
    IpAddress,
    UserPrincipalName,
}

/// One entry of `match_subject_alt_names`.
#[derive(Debug, Clone)]
pub struct NamePattern {
    pub kind: NameKind,
    /// Anchored at both ends.
    pub pattern: Regex,
}

/// What terms are made of.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Certificates of the authorities.
    pub authorities: Vec<CertificateDer<'static>>,
    pub revocations: Vec<CertificateRevocationListDer<'static>>,
    /// At least one must match a name of the certificate; without any, every name will do.
    pub names: Vec<NamePattern>,
    /// Most certificates above the leaf, the authority among them; 0: no limit but the verifier's own (six between leaf
    /// and authority).
    pub depth_max: u32,
    pub enforcement: Enforcement,
}

/// Why terms cannot be made; positions count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    #[error("certificate {0} is malformed")]
    Authority(usize),
    #[error("revocation list {0} cannot be used: {1}")]
    Revocations(usize, String),
}

/// The terms of one or more routes, compiled.
#[derive(Debug)]
pub struct Terms {
    digest: Digest,
    enforcement: Enforcement,
    anchors: Vec<TrustAnchor<'static>>,
    /// From when to when (Unix seconds) each of `anchors` is good.
    lives: Vec<(i64, i64)>,
    /// The names of the authorities (DER), as clients are told them.
    subjects: Vec<Vec<u8>>,
    revocations: Vec<CertRevocationList<'static>>,
    names: Vec<NamePattern>,
    depth_max: u32,
}

impl Terms {
    pub fn new(parts: Parts) -> Result<Terms, TermsError> {
        let digest = digest_of(&parts);
        let (mut anchors, mut lives, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
        for (index, certificate) in parts.authorities.iter().enumerate() {
            let malformed = || TermsError::Authority(index + 1);
            anchors.push(anchor_from_trusted_cert(certificate).map_err(|_| malformed())?.to_owned());
            let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| malformed())?;
            lives.push((parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp()));
            subjects.push(parsed.subject().as_raw().to_vec());
        }
        let mut revocations = Vec::new();
        for (index, list) in parts.revocations.iter().enumerate() {
            let list = OwnedCertRevocationList::from_der(list)
                .map_err(|error| TermsError::Revocations(index + 1, error.to_string()))?;
            revocations.push(list.into());
        }
        subjects.sort_unstable();
        subjects.dedup();
        let Parts { names, depth_max, enforcement, .. } = parts;
        Ok(Terms { digest, enforcement, anchors, lives, subjects, revocations, names, depth_max })
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn enforcement(&self) -> Enforcement {
        self.enforcement
    }

    /// The names of the authorities, DER.
    pub fn subjects(&self) -> &[Vec<u8>] {
        &self.subjects
    }

    /// Judges a chain, leaf first, at `now` (Unix seconds); `leaf` is what its first certificate says. Returns until when
    /// the judgement holds.
    pub fn judge(&self, chain: &[CertificateDer<'_>], leaf: &Leaf, now: i64) -> Result<i64, Flaw> {
        let (first, above) = chain.split_first().ok_or(Flaw::Missing)?;
        let entity = EndEntityCert::try_from(first).map_err(|error| Flaw::of(&error))?;
        let lists: Vec<&CertRevocationList<'_>> = self.revocations.iter().collect();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or(0)));
        let path = entity
            .verify_for_usage(
                provider::default_provider().signature_verification_algorithms.all,
                &self.anchors,
                above,
                time,
                KeyUsage::client_auth(),
                revocation(&lists),
                Some(&|path| self.admit(path, time)),
            )
            .map_err(|error| Flaw::of(&error))?;
        if !self.names.is_empty() && !self.names.iter().any(|pattern| pattern.matches(&leaf.names)) {
            return Err(Flaw::Name);
        }
        Ok(self.life_of(&path, leaf))
    }

    /// What is asked of a path besides what every path must be: its depth, and an authority that has not expired.
    fn admit(&self, path: &VerifiedPath<'_>, time: UnixTime) -> Result<(), webpki::Error> {
        let depth = path.intermediate_certificates().count() + 1;
        if self.depth_max > 0 && depth > self.depth_max as usize {
            return Err(webpki::Error::MaximumPathDepthExceeded);
        }
        let now = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.lives_of(path.anchor()).any(|(from, to)| from <= now && now <= to) {
            true => Ok(()),
            false => Err(webpki::Error::CertExpired { time, not_after: time }),
        }
    }

    /// The lives of this authority: a bundle may hold it anew, with the same key.
    fn lives_of(&self, anchor: &TrustAnchor<'_>) -> impl Iterator<Item = (i64, i64)> {
        let same = |known: &TrustAnchor<'_>| {
            known.subject == anchor.subject && known.subject_public_key_info == anchor.subject_public_key_info
        };
        self.anchors.iter().zip(&self.lives).filter(move |(known, _)| same(known)).map(|(_, life)| *life)
    }

    /// The end of the first life on the path that ends.
    fn life_of(&self, path: &VerifiedPath<'_>, leaf: &Leaf) -> i64 {
        let between = path.intermediate_certificates().filter_map(|certificate| {
            let der = certificate.der();
            X509Certificate::from_der(&der).ok().map(|(_, parsed)| parsed.validity().not_after.timestamp())
        });
        let of_anchor = self.lives_of(path.anchor()).map(|(_, to)| to).max();
        between.chain(of_anchor).chain([leaf.not_after]).min().unwrap_or(leaf.not_after)
    }
}

/// Lists are asked about the leaf alone, and an issuer without one revokes nothing. A list that is out of date still
/// says whom it revoked: Pomerium goes by it, and so do we (the configuration's check warns of it).
fn revocation<'a>(lists: &'a [&'a CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    let builder = builder.with_depth(RevocationCheckDepth::EndEntity);
    let builder = builder.with_status_policy(UnknownStatusPolicy::Allow);
    Some(builder.with_expiration_policy(ExpirationPolicy::Ignore).build())
}

impl NamePattern {
    fn matches(&self, names: &Names) -> bool {
        let names = match self.kind {
            NameKind::Dns => &names.dns,
            NameKind::Email => &names.email,
            NameKind::Uri => &names.uri,
            NameKind::IpAddress => &names.ip_address,
            NameKind::UserPrincipalName => &names.user_principal_name,
        };
        names.iter().any(|name| self.pattern.is_match(name))
    }
}

/// Each part is preceded by its kind and length, so that no two terms sum up alike.
fn digest_of(parts: &Parts) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut add = |kind: u8, bytes: &[u8]| {
        context.update(&[kind]);
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    parts.authorities.iter().for_each(|der| add(0, der));
    parts.revocations.iter().for_each(|der| add(1, der));
    for name in &parts.names {
        add(2, &[name.kind as u8]);
        add(3, name.pattern.as_str().as_bytes());
    }
    add(4, &parts.depth_max.to_be_bytes());
    add(5, &[parts.enforcement as u8]);
    let mut sum = [0; 32];
    sum.copy_from_slice(context.finish().as_ref());
    Digest(sum)
}

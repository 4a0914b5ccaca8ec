//! URLs that only we can have made, for a short time (Pomerium's format, so that links of either are readable by both).

use super::secret::Secret;

/// Signs and verifies URLs: HMAC-SHA-512/256 keyed with the shared secret, over the URL with `pomerium_issued` and
/// `pomerium_expiry` (Unix seconds) followed by issued, one space, expiry; the result is `pomerium_signature`.
#[derive(Clone)]
pub struct UrlSigner {
    #[expect(dead_code)]
    secret: Secret,
}

/// Why a signed URL was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedUrlError {
    #[error("the link carries no signature")]
    Missing,
    #[error("the link's signature is wrong")]
    Signature,
    #[error("the link has expired")]
    Expired,
    #[error("the link is dated in the future")]
    Future,
}

impl UrlSigner {
    pub fn new(secret: &Secret) -> Self {
        UrlSigner { secret: secret.clone() }
    }
}

impl std::fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UrlSigner(hidden)")
    }
}

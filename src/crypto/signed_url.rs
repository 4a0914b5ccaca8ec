//! URLs that only we can have made, for a short time (Pomerium's format, so that links of either are readable by both).
//!
//! The message is the URL with its query in sorted order, then issued, one space, expiry; the tag is HMAC-SHA-512/256.

use std::fmt::Write as _;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::secret::Secret;

/// Life of a signed URL, in seconds.
pub const SIGNED_URL_LIFETIME_S: i64 = 5 * 60;
/// How far the clocks of two nodes may differ, in seconds.
pub const SIGNED_URL_LEEWAY_S: i64 = 60;

const ISSUED: &str = "pomerium_issued";
const EXPIRY: &str = "pomerium_expiry";
const SIGNATURE: &str = "pomerium_signature";

/// Block length of SHA-512/256, in bytes (FIPS 180-4).
const BLOCK_BYTES: usize = 128;

/// What a query may hold unescaped; a space becomes `+`. The same set as in the links of Pomerium.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

/// Signs and verifies URLs: HMAC-SHA-512/256 keyed with the shared secret, over the URL with `pomerium_issued` and
/// `pomerium_expiry` (Unix seconds) followed by issued, one space, expiry; the result is `pomerium_signature`.
#[derive(Clone)]
pub struct UrlSigner {
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

    /// `url` signed at `now` (Unix seconds) for [`SIGNED_URL_LIFETIME_S`]. An earlier signature in it is replaced; a
    /// fragment is dropped, as no browser sends one.
    pub fn sign(&self, url: &Url, now: i64) -> Url {
        let (issued, expiry) = (now.to_string(), (now + SIGNED_URL_LIFETIME_S).to_string());
        let mut pairs: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !is_ours(name))
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect();
        pairs.push((ISSUED.into(), issued.clone()));
        pairs.push((EXPIRY.into(), expiry.clone()));
        let unsigned = with_query(url, &mut pairs);
        let tag = tag(self.secret.bytes(), unsigned.as_str(), &issued, &expiry);
        pairs.push((SIGNATURE.into(), URL_SAFE.encode(tag)));
        with_query(url, &mut pairs)
    }

    /// Whether we signed `url` and `now` (Unix seconds) lies within its life, give or take [`SIGNED_URL_LEEWAY_S`].
    /// The signature is looked at before the dates: [`SignedUrlError::Expired`] is said of genuine links alone.
    pub fn verify(&self, url: &Url, now: i64) -> Result<(), SignedUrlError> {
        let issued = single(url, ISSUED)?;
        let expiry = single(url, EXPIRY)?;
        let signature = URL_SAFE.decode(single(url, SIGNATURE)?).map_err(|_| SignedUrlError::Signature)?;
        let mut pairs: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != SIGNATURE)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let unsigned = with_query(url, &mut pairs);
        let expected = tag(self.secret.bytes(), unsigned.as_str(), &issued, &expiry);
        verify_slices_are_equal(&expected, &signature).map_err(|_| SignedUrlError::Signature)?;
        let issued: i64 = issued.parse().map_err(|_| SignedUrlError::Signature)?;
        let expiry: i64 = expiry.parse().map_err(|_| SignedUrlError::Signature)?;
        if issued.saturating_sub(SIGNED_URL_LEEWAY_S) > now {
            return Err(SignedUrlError::Future);
        }
        if expiry.saturating_add(SIGNED_URL_LEEWAY_S) < now {
            return Err(SignedUrlError::Expired);
        }
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    [ISSUED, EXPIRY, SIGNATURE].contains(&name)
}

/// The value of a parameter that must be there exactly once: with two, verifier and reader could take different ones.
fn single(url: &Url, wanted: &str) -> Result<String, SignedUrlError> {
    let mut values = url.query_pairs().filter(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(SignedUrlError::Missing),
        (Some(_), Some(_)) => Err(SignedUrlError::Signature),
    }
}

/// `url` with `pairs` as its query, sorted by name (values of one name keep their order), without fragment.
fn with_query(url: &Url, pairs: &mut [(String, String)]) -> Url {
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let mut query = String::new();
    for (name, value) in pairs {
        let separator = if query.is_empty() { "" } else { "&" };
        // Writing to a String cannot fail.
        let _ = write!(query, "{separator}{}={}", escaped(name), escaped(value));
    }
    let mut url = url.clone();
    url.set_query(Some(&query));
    url.set_fragment(None);
    url
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string().replace(' ', "+")
}

fn tag(key: &[u8], url: &str, issued: &str, expiry: &str) -> [u8; 32] {
    hmac(key, &[url.as_bytes(), issued.as_bytes(), b" ", expiry.as_bytes()])
}

/// HMAC (RFC 2104) over SHA-512/256, which the provider has as a digest but not as an HMAC algorithm.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(digest::digest(&digest::SHA512_256, key).as_ref());
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = digest::Context::new(&digest::SHA512_256);
    inner.update(&block.map(|byte| byte ^ 0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = digest::Context::new(&digest::SHA512_256);
    outer.update(&block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finish().as_ref());
    let mut tag = [0u8; 32];
    tag.copy_from_slice(outer.finish().as_ref());
    tag
}

impl std::fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UrlSigner(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_574_117_851;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_tag_is_pomeriums() {
        let text = "https://pomerium.io?pomerium_expiry=1574118151&pomerium_issued=1574117851";
        let tag = tag(b"test-key", text, "1574117851", "1574118151");
        assert_eq!(URL_SAFE.encode(tag), "XtvM-Y-oPvoGGV2Q5G0vrQ_CgNeYhVyTG5dHIqLsBOU=");
    }

    #[test]
    fn a_signed_url_holds_for_its_life_and_not_longer() {
        let signer = UrlSigner::new(&Secret::random());
        let signed = signer.sign(&url("https://a.example/x?z=1&b=two words&a=~*%2F#part"), NOW);
        let query = signed.query().unwrap();
        assert!(
            query.starts_with("a=~%2A%2F&b=two+words&pomerium_expiry=1574118151&pomerium_issued=1574117851&"),
            "{query}"
        );
        assert!(query.contains("%3D&z=1"), "the padding is escaped: {query}");
        assert_eq!(signed.fragment(), None);
        for (now, expected) in [
            (NOW, Ok(())),
            (NOW - 60, Ok(())),
            (NOW - 61, Err(SignedUrlError::Future)),
            (NOW + 360, Ok(())),
            (NOW + 361, Err(SignedUrlError::Expired)),
        ] {
            assert_eq!(signer.verify(&signed, now), expected, "at {now}");
        }
        let again = signer.sign(&signed, NOW + 400);
        assert_eq!(signer.verify(&again, NOW + 400), Ok(()), "signing again replaces the dates");
    }

    #[test]
    fn changed_links_are_refused() {
        let signer = UrlSigner::new(&Secret::random());
        let good = signer.sign(&url("https://a.example/x?to=https://b.example/"), NOW).to_string();
        let cases = [
            good.replace("a.example", "c.example"),
            good.replace("/x?", "/y?"),
            good.replace("b.example", "evil.example"),
            good.replace("https://a", "http://a"),
            good.replace("pomerium_expiry=1574118151", "pomerium_expiry=2574118151"),
            good.replace("pomerium_issued=1574117851", "pomerium_issued=+1574117851"),
            format!("{good}&to=https://evil.example/"),
            format!("{good}&pomerium_issued=1574117851"),
            format!("{good}&pomerium_signature=AAAA"),
            good.replace("pomerium_signature=", "pomerium_signature=A"),
        ];
        for case in cases {
            assert_eq!(signer.verify(&url(&case), NOW), Err(SignedUrlError::Signature), "{case}");
        }
        assert_eq!(signer.verify(&url("https://a.example/x"), NOW), Err(SignedUrlError::Missing));
        let other = UrlSigner::new(&Secret::random());
        assert_eq!(other.verify(&url(&good), NOW), Err(SignedUrlError::Signature));
    }

    #[test]
    fn long_keys_are_hashed_first() {
        let long = [7u8; 200];
        let short = digest::digest(&digest::SHA512_256, &long);
        assert_eq!(hmac(&long, &[b"x"]), hmac(short.as_ref(), &[b"x"]));
    }
}

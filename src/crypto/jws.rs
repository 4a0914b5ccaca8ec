//! Signing the assertions that upstreams verify (RFC 7515), and the public key set that they verify them with.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

use super::secret::{Purpose, Secret};

/// Shortest RSA modulus accepted, in bytes (2048 bits).
const RSA_MODULUS_BYTES_MIN: usize = 256;
/// How many scalars are tried when a key is derived; one is out of range with probability 2^-32.
const SCALARS_MAX: usize = 16;
const SCALAR_BYTES: usize = 32;

/// Signs assertions with one key, named by its RFC 7638 thumbprint.
pub struct Signer {
    header: Header,
    key: EncodingKey,
    jwks: serde_json::Value,
}

/// Why a signing key was refused or a signature could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("the signing key is neither base64 nor PEM")]
    Encoding,
    #[error("the signing key is not an EC (P-256, P-384) or RSA private key: {0}")]
    Key(String),
    #[error("signing failed: {0}")]
    Sign(String),
}

impl Signer {
    /// Reads `signing_key`: a PEM private key (EC P-256 or P-384, or RSA of at least 2048 bits), or the same in base64.
    pub fn parse(text: &str) -> Result<Self, SignerError> {
        match private_key(text)? {
            PrivateKeyDer::Pkcs1(der) => Self::rsa(der.secret_pkcs1_der(), RsaForm::Pkcs1),
            PrivateKeyDer::Sec1(der) => Self::ec(der.secret_sec1_der(), EcdsaKeyPair::from_private_key_der),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                match RsaKeyPair::from_pkcs8(der) {
                    Ok(_) => Self::rsa(der, RsaForm::Pkcs8),
                    Err(_) => Self::ec(der, EcdsaKeyPair::from_pkcs8),
                }
            }
            _ => Err(SignerError::Key("unknown container".into())),
        }
    }

    /// The P-256 key that is derived from the shared secret when no `signing_key` is configured: the same on every node
    /// and after every restart.
    pub fn derived(secret: &Secret) -> Result<Self, SignerError> {
        let mut material = [0u8; SCALAR_BYTES * SCALARS_MAX];
        secret.expand(Purpose::AssertionSigning, &mut material);
        let pair = material
            .chunks_exact(SCALAR_BYTES)
            .find_map(|scalar| {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &ec_private_key(scalar)).ok()
            })
            .ok_or_else(|| SignerError::Key("no derived scalar lies in the curve's range".into()))?;
        zeroize::Zeroize::zeroize(&mut material);
        Self::from_pair(&pair, Algorithm::ES256)
    }

    fn ec(
        der: &[u8],
        read: fn(&'static EcdsaSigningAlgorithm, &[u8]) -> Result<EcdsaKeyPair, aws_lc_rs::error::KeyRejected>,
    ) -> Result<Self, SignerError> {
        match read(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            Ok(pair) => Self::from_pair(&pair, Algorithm::ES256),
            Err(_) => match read(&ECDSA_P384_SHA384_FIXED_SIGNING, der) {
                Ok(pair) => Self::from_pair(&pair, Algorithm::ES384),
                Err(e) => Err(SignerError::Key(e.to_string())),
            },
        }
    }

    fn from_pair(pair: &EcdsaKeyPair, algorithm: Algorithm) -> Result<Self, SignerError> {
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| SignerError::Key("it cannot be written as PKCS#8".into()))?;
        Self::new(EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm)
    }

    fn rsa(der: &[u8], form: RsaForm) -> Result<Self, SignerError> {
        let (pair, label) = match form {
            RsaForm::Pkcs1 => (RsaKeyPair::from_der(der), "RSA PRIVATE KEY"),
            RsaForm::Pkcs8 => (RsaKeyPair::from_pkcs8(der), "PRIVATE KEY"),
        };
        let length = pair.map_err(|e| SignerError::Key(e.to_string()))?.public_modulus_len();
        if length < RSA_MODULUS_BYTES_MIN {
            return Err(SignerError::Key(format!("its modulus has {} bits, expected at least 2048", length * 8)));
        }
        // The library takes PKCS#1 alone as DER, but both forms as PEM.
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|e| SignerError::Key(e.to_string()))?;
        Self::new(key, Algorithm::RS256)
    }

    fn new(key: EncodingKey, algorithm: Algorithm) -> Result<Self, SignerError> {
        let key_error = |e: jsonwebtoken::errors::Error| SignerError::Key(e.to_string());
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).map_err(key_error)?;
        let key_id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(key_error)?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(key_id.clone());
        let mut header = Header::new(algorithm);
        header.kid = Some(key_id);
        Ok(Signer { header, key, jwks: serde_json::json!({ "keys": [jwk] }) })
    }

    /// The JWK set (`{"keys":[…]}`) that verifies what this signer signs; it holds public members only.
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// The key id, as in the header of every signature.
    pub fn key_id(&self) -> &str {
        self.header.kid.as_deref().unwrap_or_default()
    }

    /// Signs `claims` as a compact JWS.
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, SignerError> {
        jsonwebtoken::encode(&self.header, claims, &self.key).map_err(|e| SignerError::Sign(e.to_string()))
    }
}

enum RsaForm {
    Pkcs1,
    Pkcs8,
}

/// The private key in `text`: PEM, base64 of PEM, or base64 of DER.
fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, SignerError> {
    let from_pem = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).map_err(|e| SignerError::Key(e.to_string()));
    let text = text.trim();
    if text.contains("-----BEGIN") {
        return from_pem(text.as_bytes());
    }
    let packed: String = text.split_ascii_whitespace().collect();
    let bytes = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
        .into_iter()
        .find_map(|engine| engine.decode(&packed).ok())
        .filter(|bytes| !bytes.is_empty())
        .ok_or(SignerError::Encoding)?;
    if memchr::memmem::find(&bytes, b"-----BEGIN").is_some() {
        return from_pem(&bytes);
    }
    PrivateKeyDer::try_from(bytes).map_err(|e| SignerError::Key(e.to_owned()))
}

/// RFC 5915 `ECPrivateKey` on prime256v1 around a 32-byte scalar, without the public key (it follows from the scalar).
fn ec_private_key(scalar: &[u8]) -> Vec<u8> {
    const HEAD: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, SCALAR_BYTES as u8];
    const CURVE: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    [&HEAD, scalar, &CURVE].concat()
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};
    use rcgen::PublicKeyData as _;
    use serde_json::json;

    fn verify(signer: &Signer, algorithm: Algorithm) {
        let token = signer.sign(&json!({"sub": "alice", "aud": "app"})).unwrap();
        let set: JwkSet = serde_json::from_value(signer.jwks().clone()).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (algorithm, Some("JWT")));
        let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
        assert_eq!(jwk.common.public_key_use, Some(PublicKeyUse::Signature));
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["app"]);
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let data = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).unwrap();
        assert_eq!(data.claims["sub"], "alice");
        for private in ["d", "p", "q", "k"] {
            assert!(signer.jwks()["keys"][0].get(private).is_none(), "{private} is published");
        }
    }

    #[test]
    fn the_derived_key_is_stable_and_verifies() {
        let secret = Secret::random();
        let signer = Signer::derived(&secret).unwrap();
        verify(&signer, Algorithm::ES256);
        assert_eq!(signer.key_id(), Signer::derived(&secret).unwrap().key_id());
        assert_ne!(signer.key_id(), Signer::derived(&Secret::random()).unwrap().key_id());
        assert_eq!(signer.jwks()["keys"][0]["alg"], "ES256");
    }

    #[test]
    fn configured_keys_verify_in_every_container() {
        for (algorithm, jose) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384),
            (&rcgen::PKCS_RSA_SHA256, Algorithm::RS256),
        ] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            assert!(!pair.der_bytes().is_empty());
            let pem = pair.serialize_pem();
            let texts =
                [pem.clone(), format!("\n{pem}\n\n"), STANDARD.encode(&pem), STANDARD.encode(pair.serialize_der())];
            let ids: Vec<String> = texts
                .iter()
                .map(|text| {
                    let signer = Signer::parse(text).unwrap();
                    verify(&signer, jose);
                    signer.key_id().to_owned()
                })
                .collect();
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }

    #[test]
    fn sec1_keys_are_read() {
        let der = ec_private_key(&[7; 32]);
        let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", STANDARD.encode(&der));
        verify(&Signer::parse(&pem).unwrap(), Algorithm::ES256);
        verify(&Signer::parse(&STANDARD.encode(&der)).unwrap(), Algorithm::ES256);
    }

    #[test]
    fn scalars_out_of_range_are_no_keys() {
        for scalar in [[0u8; 32], [0xff; 32]] {
            let der = ec_private_key(&scalar);
            assert!(EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).is_err());
        }
    }

    #[test]
    fn wrong_keys_are_named() {
        for text in ["", "%%%", "not a key!"] {
            assert!(matches!(Signer::parse(text), Err(SignerError::Encoding)), "{text:?}");
        }
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned();
        for text in [ed25519, public, STANDARD.encode([1, 2, 3])] {
            assert!(matches!(Signer::parse(&text), Err(SignerError::Key(_))), "{text:?}");
        }
    }
}

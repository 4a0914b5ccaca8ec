//! A certificate authority for one test, and clients that trust it or anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use serde_json::{Value, json};

/// A CA that lives as long as its test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Files of one leaf, as the configuration wants them.
#[derive(Debug, Clone)]
pub struct Leaf {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What a client shows, leaf first, and the key that it proves to hold.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Authority {
        Authority::named("Test authority")
    }

    pub fn named(name: &str) -> Authority {
        let issuer = CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap());
        Authority(issuer.unwrap())
    }

    /// An authority that this one vouches for.
    pub fn below(&self, name: &str) -> Authority {
        let issuer = CertifiedIssuer::signed_by(authority_params(name), KeyPair::generate().unwrap(), &self.0);
        Authority(issuer.unwrap())
    }

    /// A certificate for a client called `name`, changed by `edit`.
    pub fn client(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.example.com")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        edit(&mut params);
        let leaf = params.signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![leaf.der().clone()], key }
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A list that revokes certificates by their serial numbers, PEM.
    pub fn revoke(&self, serials: &[u64]) -> String {
        let now = time::OffsetDateTime::now_utc();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now - time::Duration::days(1),
            next_update: now + time::Duration::days(1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }

    /// Writes a leaf for `names` into `folder`, replacing what stands there under `stem`.
    pub fn issue(&self, folder: &Path, stem: &str, names: &[&str]) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, stem);
        let cert = params.signed_by(&key, &self.0).unwrap();
        let leaf = Leaf { cert: folder.join(format!("{stem}.pem")), key: folder.join(format!("{stem}-key.pem")) };
        std::fs::write(&leaf.cert, cert.pem() + &self.0.pem()).unwrap();
        std::fs::write(&leaf.key, key.serialize_pem()).unwrap();
        leaf
    }

    /// The CA's certificate as a file.
    pub fn write_to(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// A client that trusts this authority and nobody else.
    pub fn trusting_client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
            .into()
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Identity {
    /// Shows an authority's certificate, too.
    pub fn with(mut self, above: &Authority) -> Identity {
        self.chain.push(above.0.der().clone());
        self
    }

    /// A client that shows this and accepts any certificate; `versions` empty means the default ones.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        any_accepting(versions).with_client_auth_cert(self.chain.clone(), key).unwrap()
    }

    /// Writes chain and key into `folder`.
    pub fn write_to(&self, folder: &Path, stem: &str) -> Leaf {
        let leaf = Leaf { cert: folder.join(format!("{stem}.pem")), key: folder.join(format!("{stem}-key.pem")) };
        let pem = |der: &CertificateDer<'_>| {
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        std::fs::write(&leaf.cert, self.chain.iter().map(pem).collect::<String>()).unwrap();
        std::fs::write(&leaf.key, self.key.serialize_pem()).unwrap();
        leaf
    }
}

impl Leaf {
    /// An entry of `certificates`.
    pub fn entry(&self) -> Value {
        json!({"cert": self.cert, "key": self.key})
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client that accepts any certificate; `versions` empty means the default ones.
pub fn accept_any(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    any_accepting(versions).with_no_client_auth()
}

fn any_accepting(
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let versions = if versions.is_empty() { rustls::DEFAULT_VERSIONS } else { versions };
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny(provider())))
}

/// The DNS names in a certificate, in its order.
pub fn names_in(certificate: &CertificateDer<'_>) -> Vec<String> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(certificate).expect("a certificate");
    let names = parsed.subject_alternative_name().expect("well formed names");
    names
        .map(|n| n.value.general_names.iter())
        .into_iter()
        .flatten()
        .filter_map(|n| if let GeneralName::DNSName(name) = n { Some((*name).to_owned()) } else { None })
        .collect()
}

/// Whether a certificate names itself as its issuer.
pub fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(certificate).expect("a certificate");
    parsed.issuer() == parsed.subject()
}

#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

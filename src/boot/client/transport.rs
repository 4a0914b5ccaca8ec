//! Ways to a process: its health port, its local socket, its admin port over mutual TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::ask::ClientError;
use crate::boot::cli::Remote;
use crate::boot::sockets::local;

/// Where the service manager makes our folder.
const RUNTIME: &str = "/run/vallum";

/// Whom to ask.
pub(super) enum Target {
    /// The health port, in clear text.
    Plain(SocketAddr),
    /// The local socket.
    Local(PathBuf),
    /// The admin port: `HOST:PORT`, the name that its certificate must carry, and who we are.
    Mutual { address: String, name: ServerName<'static>, config: Arc<ClientConfig> },
}

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Target {
    /// As the command line says; without a word the local socket.
    pub(super) fn choose(remote: &Remote) -> Result<Target, ClientError> {
        let Some(host) = &remote.host else {
            return Ok(remote.socket.clone().map_or_else(Target::usual, Target::Local));
        };
        // clap asks for the three together with `--host`.
        let (Some(certificate), Some(key), Some(authorities)) = (&remote.cert, &remote.key, &remote.ca) else {
            return Err(ClientError::Usage("`--host` needs `--cert`, `--key` and `--ca`"));
        };
        let name = remote.server_name.as_deref().unwrap_or_else(|| host_of(host)).to_owned();
        let name = ServerName::try_from(name.clone()).map_err(|_| ClientError::Name(name))?;
        let config = Arc::new(mutual(certificate, key, authorities)?);
        Ok(Target::Mutual { address: host.clone(), name, config })
    }

    /// The local socket where the service manager makes our folder.
    pub(super) fn usual() -> Target {
        Target::Local(Path::new(RUNTIME).join(local::NAME))
    }

    pub(super) async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Target::Plain(address) => Box::new(TcpStream::connect(address).await?),
            Target::Local(path) => Box::new(UnixStream::connect(path).await?),
            Target::Mutual { address, name, config } => {
                let stream = TcpStream::connect(address).await?;
                let connector = tokio_rustls::TlsConnector::from(config.clone());
                Box::new(connector.connect(name.clone(), stream).await?)
            }
        })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Plain(address) => write!(f, "{address}"),
            Target::Local(path) => write!(f, "{}", path.display()),
            Target::Mutual { address, .. } => f.write_str(address),
        }
    }
}

/// The host of `HOST:PORT`, without brackets.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn mutual(certificate: &Path, key: &Path, authorities: &Path) -> Result<ClientConfig, ClientError> {
    let bad = |path: &Path, error: String| ClientError::File(path.to_owned(), error);
    let read = |path: &Path| -> Result<Vec<CertificateDer<'static>>, ClientError> {
        let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        all.map_err(|error| bad(path, error.to_string()))
    };
    let mut roots = RootCertStore::empty();
    for authority in read(authorities)? {
        roots.add(authority).map_err(|error| bad(authorities, error.to_string()))?;
    }
    let chain = read(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain, secret))
        .map_err(|error| bad(certificate, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_to_verify_is_the_host() {
        for (address, host) in
            [("edge.example:8444", "edge.example"), ("10.0.0.1:1", "10.0.0.1"), ("[::1]:8444", "::1"), ("x", "x")]
        {
            assert_eq!(host_of(address), host);
        }
    }
}

//! How connections come in: by TCP, by TLS over it, or by a local socket.

use std::future::{Ready, ready};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Something that connections come from.
pub trait Entrance: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// What still has to happen before the first request, on the connection's own time.
    type Opening: Future<Output = io::Result<Self::Stream>> + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Opening>> + Send;
}

impl Entrance for TcpListener {
    type Stream = TcpStream;
    type Opening = Ready<io::Result<TcpStream>>;

    async fn accept(&self) -> io::Result<Self::Opening> {
        Ok(ready(Ok(TcpListener::accept(self).await?.0)))
    }
}

impl Entrance for UnixListener {
    type Stream = UnixStream;
    type Opening = Ready<io::Result<UnixStream>>;

    async fn accept(&self) -> io::Result<Self::Opening> {
        Ok(ready(Ok(UnixListener::accept(self).await?.0)))
    }
}

/// TCP with TLS; the handshake is the connection's own affair.
pub struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Secured {
    pub fn new(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        Secured { listener, acceptor }
    }
}

impl Entrance for Secured {
    type Stream = TlsStream<TcpStream>;
    type Opening = tokio_rustls::Accept<TcpStream>;

    async fn accept(&self) -> io::Result<Self::Opening> {
        let (stream, _) = self.listener.accept().await?;
        Ok(self.acceptor.accept(stream))
    }
}

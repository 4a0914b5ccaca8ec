//! A client's connection that sends exactly the bytes it is told to, clear or over TLS.

use std::io::{self, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::answer::{Answer, read_head, read_to_close};
use super::{PATIENCE, certificates};

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One connection. Reads are buffered; a read that waits longer than [`PATIENCE`] fails.
pub struct Wire(BufReader<Stream>);

impl Wire {
    pub fn clear(address: SocketAddr) -> Wire {
        Wire::over(Stream::Clear(connect(address)))
    }

    /// A clear connection that comes from `source`, an address of the loopback range.
    pub fn clear_from(source: IpAddr, address: SocketAddr) -> Wire {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Wire::over(Stream::Clear(patient(socket.into())))
    }

    /// TLS with `name` as SNI, any certificate accepted.
    pub fn tls(address: SocketAddr, name: &str) -> Wire {
        Wire::tls_with(address, name, certificates::accept_any(&[]).into()).expect("a TLS handshake")
    }

    /// TLS with a configuration of the caller's; the handshake is completed here.
    pub fn tls_with(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<Wire> {
        Wire::tls_over(connect(address), name, config)
    }

    /// TLS upon a connection on which something may have been sent already.
    pub fn tls_over(mut tcp: TcpStream, name: &str, config: Arc<ClientConfig>) -> io::Result<Wire> {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let mut session = ClientConnection::new(config, name).expect("a client session");
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Wire::over(Stream::Tls(Box::new(StreamOwned::new(session, tcp)))))
    }

    fn over(stream: Stream) -> Wire {
        Wire(BufReader::with_capacity(32 * 1024, stream))
    }

    /// Sends `bytes`; a peer that has closed already is not an error here: what was answered tells.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).ok();
        self
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// The next response, to a request other than HEAD.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    #[track_caller]
    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method).unwrap_or_else(|e| panic!("no answer to {method}: {e}"))
    }

    pub fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        Answer::read(&mut self.0, method)
    }

    /// The head of the next response alone.
    #[track_caller]
    pub fn head(&mut self) -> Answer {
        read_head(&mut self.0).unwrap_or_else(|e| panic!("no head: {e}"))
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).answer()
    }

    /// Everything until the peer closes; fails when it does not within [`PATIENCE`].
    #[track_caller]
    pub fn drain(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        read_to_close(&mut self.0, &mut all).unwrap_or_else(|e| panic!("not closed: {e}; read {} bytes", all.len()));
        all
    }

    /// Reads exactly `n` bytes.
    pub fn take(&mut self, n: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Says that no more will be sent.
    pub fn finish(&mut self) -> &mut Self {
        match self.0.get_mut() {
            Stream::Clear(tcp) => tcp.shutdown(Shutdown::Write).ok(),
            Stream::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.flush().ok()
            }
        };
        self
    }

    /// The certificate that the server showed.
    #[track_caller]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().expect("certificates")[0].clone().into_owned()
    }

    /// The TLS session.
    #[track_caller]
    pub fn session(&self) -> &ClientConnection {
        match self.0.get_ref() {
            Stream::Tls(tls) => &tls.conn,
            Stream::Clear(_) => panic!("a clear connection has no TLS session"),
        }
    }
}

/// A TCP connection with patient but bounded reads and writes.
pub fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect_timeout(&address, PATIENCE).unwrap_or_else(|e| panic!("connect to {address}: {e}")))
}

fn patient(tcp: TcpStream) -> TcpStream {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Clear(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Clear(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Clear(tcp) => tcp.flush(),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

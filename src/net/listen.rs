//! Listening sockets: each worker has its own, in one SO_REUSEPORT group.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::driver::Driver;
use super::tcp;

/// Connections that the kernel may queue per worker before one is accepted.
const BACKLOG: i32 = 4096;

/// Binds a listening socket that shares its port with its siblings. An IPv6 wildcard also takes IPv4.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A listener on this worker's runtime.
pub struct Listener(monoio::net::TcpListener);

impl Listener {
    pub fn new(listener: std::net::TcpListener, driver: Driver) -> io::Result<Self> {
        // The ring waits by itself on a blocking descriptor; epoll needs a non-blocking one.
        listener.set_nonblocking(driver == Driver::Epoll)?;
        Ok(Listener(monoio::net::TcpListener::from_std(listener)?))
    }

    /// The next connection. Must be awaited to its end: dropping it could leak the accepted descriptor. To stop, call
    /// [`Listener::stop`]: the waiting accept then returns an error.
    pub async fn accept(&self) -> io::Result<(tcp::Stream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((tcp::Stream::new(stream), peer))
    }

    /// Ends a waiting accept.
    pub fn stop(&self) {
        use std::os::fd::{AsRawFd, BorrowedFd};
        // SAFETY: the descriptor is open as long as `self.0` lives.
        let fd = unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) };
        let _ = rustix::net::shutdown(fd, rustix::net::Shutdown::Both);
    }
}

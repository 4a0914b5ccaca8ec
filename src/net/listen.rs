//! Listening sockets: each worker has its own, in one SO_REUSEPORT group.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use monoio::io::{CancelHandle, Canceller};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::driver::Driver;
use super::tcp;

/// Connections that the kernel may queue per worker before one is accepted.
const BACKLOG: i32 = 4096;
/// How long a client may leave what we sent unacknowledged, or its window shut, before the kernel ends the connection;
/// it holds after we have closed, too, when nobody else watches.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);
/// A connection that is silent for so long is asked whether it still lives.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// Between two such questions.
const ASKED_EVERY: Duration = Duration::from_secs(10);

/// Binds a listening socket that shares its port with its siblings. An IPv6 wildcard also takes IPv4. Accepted
/// connections inherit what is set here, which saves a call for each.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes over a listening TCP socket that somebody else bound; anything else is refused.
pub fn adopt(descriptor: OwnedFd) -> io::Result<std::net::TcpListener> {
    let socket = Socket::from(descriptor);
    let is_internet = matches!(socket.domain()?, Domain::IPV4 | Domain::IPV6);
    if !is_internet || socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a listening TCP socket"));
    }
    prepare(&socket)?;
    Ok(socket.into())
}

fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT_MAX).with_interval(ASKED_EVERY))
}

/// A listener on this worker's runtime.
pub struct Listener {
    socket: monoio::net::TcpListener,
    stop: Cell<Canceller>,
    /// Cancelled by [`Listener::stop`].
    stopped: CancelHandle,
}

impl Listener {
    pub fn new(listener: std::net::TcpListener, driver: Driver) -> io::Result<Self> {
        // The ring waits by itself on a blocking descriptor; epoll needs a non-blocking one.
        listener.set_nonblocking(driver == Driver::Epoll)?;
        let stop = Canceller::new();
        let stopped = stop.handle();
        let stop = Cell::new(stop);
        Ok(Listener { socket: monoio::net::TcpListener::from_std(listener)?, stop, stopped })
    }

    /// The next connection. Must be awaited to its end: dropping it could leak the accepted descriptor. To stop, call
    /// [`Listener::stop`]: the waiting accept then returns an error.
    pub async fn accept(&self) -> io::Result<(tcp::Stream, SocketAddr)> {
        let (stream, peer) = self.socket.cancelable_accept(self.stopped.clone()).await?;
        Ok((tcp::Stream::new(stream), peer))
    }

    /// Ends a waiting accept, and every later one. The socket is not shut down: the service manager may hold it too, for
    /// the process that comes after this one.
    pub fn stop(&self) {
        // What comes back would serve further accepts; there shall be none.
        drop(self.stop.take().cancel());
    }

    /// The number that the next descriptor of this process would get: at least so many are in use.
    pub fn next_descriptor(&self) -> io::Result<i32> {
        use std::os::fd::AsRawFd;
        Ok(rustix::io::fcntl_dupfd_cloexec(self.borrow(), 0)?.as_raw_fd())
    }

    fn borrow(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::{AsRawFd, BorrowedFd};
        // SAFETY: the descriptor is open as long as `self.socket` lives.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }
}

//! A service manager for one service, in the test itself: it hands sockets over, hears the notifications, and keeps what
//! it is asked to keep.

use std::io::{ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::vallum::{listening, write_config};
use crate::harness::wait_until;

/// Descriptors are handed over from here down to 3, so that none stands in another's way.
const LOWEST: i32 = 100;
const MESSAGE_BYTES_MAX: usize = 4096;
const DESCRIPTORS_MAX: usize = 64;

/// What a service manager does before it executes the service (sd_listen_fds(3)).
const HAND_OVER: &str = r#"
n=3
for fd in $HANDED; do eval "exec $n<&$fd $fd<&-"; n=$((n + 1)); done
export LISTEN_PID=$$
exec "$@"
"#;

/// One notification.
#[derive(Debug)]
pub struct Message {
    pub text: String,
    pub descriptors: Vec<OwnedFd>,
}

impl Message {
    /// The value of `key=` in the message.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }
}

pub struct Supervisor {
    socket: UnixDatagram,
    folder: TempDir,
    /// Set for the service besides what every service gets.
    pub environment: Vec<(&'static str, String)>,
}

impl Supervisor {
    pub fn new() -> Supervisor {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Supervisor { socket, folder, environment: Vec::new() }
    }

    /// Starts the service with `sockets`, each under its name.
    pub fn start(&self, sockets: &[(&str, &dyn AsFd)], settings: &Value) -> Process {
        let config = write_config(self.folder.path(), settings);
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        let copies: Vec<OwnedFd> = sockets.iter().map(|(_, socket)| inheritable(*socket)).collect();
        let handed: Vec<String> = copies.iter().map(|copy| copy.as_raw_fd().to_string()).collect();
        let mut command = Command::new("bash");
        command.args(["-c", HAND_OVER, "bash", env!("CARGO_BIN_EXE_vallum"), "run", "--config"]).arg(config);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HANDED", handed.join(" ")).env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        if !sockets.is_empty() {
            command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::start("vallum", &mut command)
    }

    /// Starts the service and waits until it says that it is ready; returns where it listens for clients, too.
    #[track_caller]
    pub fn start_ready(&self, sockets: &[(&str, &dyn AsFd)], settings: &Value) -> (Process, SocketAddr) {
        let mut process = self.start(sockets, settings);
        let address = process.wait_for_line("the main listener", |line| listening(line, "main"));
        (process, address)
    }

    /// Replaces the configuration of the running service.
    pub fn configure(&self, settings: &Value) {
        write_config(self.folder.path(), settings);
    }

    /// The next notification, when one is there.
    pub fn look(&self) -> Option<Message> {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        let length = match received.map_err(std::io::Error::from) {
            Ok(received) => received.bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("the notification socket: {error}"),
        };
        let descriptors = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors = descriptors.flatten().collect();
        Some(Message { text: String::from_utf8(bytes[..length].to_vec()).unwrap(), descriptors })
    }

    /// The next notification.
    #[track_caller]
    pub fn next(&self) -> Message {
        wait_until("a notification", || self.look())
    }

    /// The next notification that has `line` as a line; those before are passed over.
    #[track_caller]
    pub fn wait_for(&self, line: &str) -> Message {
        wait_until(line, || self.look().filter(|message| message.text.lines().any(|l| l == line)))
    }
}

/// `count` listening sockets of one port, as a socket unit with `ReusePort=` binds them.
pub fn bind(count: usize) -> Vec<TcpListener> {
    let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bind = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(128).unwrap();
        let listener = TcpListener::from(socket);
        address = listener.local_addr().unwrap();
        listener
    };
    (0..count).map(bind).collect()
}

fn inheritable(socket: &dyn AsFd) -> OwnedFd {
    let copy = fcntl_dupfd_cloexec(socket, LOWEST).unwrap();
    fcntl_setfd(&copy, FdFlags::empty()).unwrap();
    copy
}

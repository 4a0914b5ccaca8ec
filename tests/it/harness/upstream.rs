//! Upstreams in threads: one that echoes, and any other that a test describes.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::json;

use super::request::Request;
use super::{PATIENCE, pattern, wait_until};

/// An upstream that accepts until it is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stopping: AtomicBool,
    connections: Mutex<Vec<Connection>>,
    requests: Mutex<Vec<Request>>,
    complaints: Mutex<Vec<String>>,
}

struct Connection {
    socket: TcpStream,
    received: Arc<Mutex<Vec<u8>>>,
}

/// One accepted connection, as its handler sees it.
pub struct Served {
    reader: BufReader<Recorder>,
    writer: TcpStream,
    state: Arc<State>,
    /// 0 for the first connection of this upstream, and so on.
    pub number: usize,
}

struct Recorder {
    socket: TcpStream,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.socket.read(buffer)?;
        self.received.lock().unwrap().extend_from_slice(&buffer[..n]);
        Ok(n)
    }
}

impl Upstream {
    /// Answers with what it received; see [`Served::echo`].
    pub fn echo() -> Upstream {
        Upstream::named("echo")
    }

    /// As [`Upstream::echo`], under a name that stands in each answer.
    pub fn named(name: &'static str) -> Upstream {
        Upstream::with(move |served| served.echo(name))
    }

    /// Answers every request with the same bytes, whatever they are.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Upstream {
        let bytes = bytes.into();
        Upstream::with(move |served| {
            while served.request()?.is_some() {
                served.write(&bytes)?;
            }
            Ok(())
        })
    }

    /// Runs `handler` in a thread for each connection; the connection closes when it returns.
    pub fn with(handler: impl Fn(&mut Served) -> io::Result<()> + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (shared, handler) = (state.clone(), Arc::new(handler));
        let accepting = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                let mut served = Served::new(socket, shared.clone());
                let handler = handler.clone();
                std::thread::spawn(move || {
                    if let Err(e) = handler(&mut served) {
                        served.complain(&e);
                    }
                    served.writer.shutdown(Shutdown::Both).ok();
                });
            }
        });
        Upstream { address, state, accepting: Some(accepting) }
    }

    /// As in `to`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that came in whole, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The only request that came.
    #[track_caller]
    pub fn only_request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Every byte received, by connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.state.connections.lock().unwrap().iter().map(|c| c.received.lock().unwrap().clone()).collect()
    }

    /// All bytes received on all connections, one after the other, as text.
    pub fn received_text(&self) -> String {
        String::from_utf8_lossy(&self.received().concat()).into_owned()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.lock().unwrap().len()
    }

    /// What was not canonical HTTP in the bytes received.
    pub fn complaints(&self) -> Vec<String> {
        self.state.complaints.lock().unwrap().clone()
    }

    /// Waits until `count` requests have come in whole.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        wait_until(&format!("{count} requests"), || Some(self.requests()).filter(|r| r.len() >= count))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.accepting.take() {
            thread.join().ok();
        }
        for connection in self.state.connections.lock().unwrap().iter() {
            connection.socket.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Served {
    fn new(socket: TcpStream, state: Arc<State>) -> Served {
        socket.set_nodelay(true).ok();
        let received = Arc::new(Mutex::new(Vec::new()));
        let reader = Recorder { socket: socket.try_clone().expect("a handle"), received: received.clone() };
        let writer = socket.try_clone().expect("a handle");
        let mut connections = state.connections.lock().unwrap();
        let number = connections.len();
        connections.push(Connection { socket, received });
        drop(connections);
        Served { reader: BufReader::with_capacity(64 * 1024, reader), writer, state, number }
    }

    fn complain(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData {
            self.state.complaints.lock().unwrap().push(error.to_string());
        }
    }

    /// The head of the next request, not counted before [`Served::body`] has read the rest.
    pub fn head(&mut self) -> io::Result<Option<Request>> {
        Request::read_head(&mut self.reader)
    }

    /// Reads the body and counts the request.
    pub fn body(&mut self, mut request: Request) -> io::Result<Request> {
        request.read_body(&mut self.reader)?;
        self.state.requests.lock().unwrap().push(request.clone());
        Ok(request)
    }

    /// The next request, whole.
    pub fn request(&mut self) -> io::Result<Option<Request>> {
        match self.head()? {
            Some(head) => self.body(head).map(Some),
            None => Ok(None),
        }
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.writer.write_all(bytes.as_ref())
    }

    /// Waits until the peer has read all that was written, as the kernel tells of its socket on this machine.
    pub fn wait_until_read(&self) {
        let port = |address: io::Result<SocketAddr>| format!(":{:04X}", address.expect("an address").port());
        let (own, peers) = (port(self.writer.local_addr()), port(self.writer.peer_addr()));
        wait_until("the peer to read", || {
            let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of sockets");
            table.lines().find_map(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                let is_peers = columns[1].ends_with(&peers) && columns[2].ends_with(&own);
                (is_peers && columns[4].ends_with(":00000000")).then_some(())
            })
        });
    }

    /// Reads and forgets until the peer closes.
    pub fn wait_for_close(&mut self) -> io::Result<()> {
        io::copy(&mut self.reader, &mut io::sink()).map(drop)
    }

    /// Ends the connection with a reset, whoever else holds its descriptor.
    pub fn reset(&mut self) -> io::Result<()> {
        rustix::net::connect_unspec(&self.writer).map_err(io::Error::from)
    }

    /// Reads nothing and answers nothing until the peer closes or the test ends.
    pub fn stay_silent(&mut self) {
        self.writer.set_read_timeout(Some(PATIENCE)).ok();
        self.wait_for_close().ok();
    }

    /// Answers each request by its path: `/bytes/N` a body of N bytes, `/chunks/N/SIZE` N chunks, `/status/N`,
    /// `/until-close/N` a body that ends with the connection, `/websocket` frames echoed; anything else a JSON
    /// description of the request.
    pub fn echo(&mut self, name: &str) -> io::Result<()> {
        while let Some(request) = self.request()? {
            let path = request.target.split('?').next().unwrap_or_default().to_owned();
            let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            match parts[..] {
                ["bytes", n] => self.answer(200, "", &pattern(number(n)))?,
                ["chunks", n, size] => self.chunks(number(n), number(size))?,
                ["status", n] => self.answer(number(n) as u16, "", b"")?,
                ["until-close", n] => {
                    self.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                    return self.write(pattern(number(n)));
                }
                ["websocket"] => return self.websocket(&request),
                _ => self.describe(name, &request)?,
            }
        }
        Ok(())
    }

    /// Reads exactly `count` bytes.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads until the peer has ended.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Says that no more will be sent.
    pub fn finish(&self) -> io::Result<()> {
        self.writer.shutdown(Shutdown::Write)
    }

    /// Breaks the connection off with a TCP reset.
    pub fn break_off(&self) -> io::Result<()> {
        Ok(rustix::net::connect_unspec(&self.writer)?)
    }

    /// Sends every byte back until the peer closes.
    pub fn echo_bytes(&mut self) -> io::Result<()> {
        io::copy(&mut self.reader, &mut self.writer).map(drop)
    }

    fn describe(&mut self, name: &str, request: &Request) -> io::Result<()> {
        let body = json!({
            "server": name,
            "connection": self.number,
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body_length": request.body.len(),
            "chunked": request.chunked,
        });
        let body = if request.method == "HEAD" { String::new() } else { body.to_string() };
        self.answer(200, "Content-Type: application/json\r\n", body.as_bytes())
    }

    /// Writes an answer with a length; `fields` are whole lines.
    pub fn answer(&mut self, status: u16, fields: &str, body: &[u8]) -> io::Result<()> {
        let length =
            if matches!(status, 204 | 304) { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut bytes = format!("HTTP/1.1 {status} Answer\r\n{fields}{length}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.write(bytes)
    }

    fn chunks(&mut self, count: usize, size: usize) -> io::Result<()> {
        self.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for chunk in pattern(count * size).chunks(size) {
            self.write(format!("{:x}\r\n", chunk.len()))?;
            self.write(chunk)?;
            self.write("\r\n")?;
        }
        self.write("0\r\n\r\n")
    }

    /// Accepts a WebSocket (RFC 6455) and sends every byte after the handshake back, client masks removed by frame.
    fn websocket(&mut self, request: &Request) -> io::Result<()> {
        let accept = super::websocket::accept(request.header("sec-websocket-key"));
        self.write(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
        while let Some((opcode, payload)) = super::websocket::read_frame(&mut self.reader)? {
            self.write(super::websocket::frame(opcode, &payload, None))?;
            if opcode == super::websocket::CLOSE {
                break;
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

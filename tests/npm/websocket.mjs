// WebSocket cases in exact frames (RFC 6455, RFC 7692), against an echo server of the library `ws`.
//   node websocket.mjs serve                     prints {"port"} and echoes until its input ends
//   node websocket.mjs serve-http2               the same over HTTP/2 in clear text (RFC 8441)
//   node websocket.mjs try WAY PORT HOST         WAY: direct, http1 or http2; prints REPORT {case: outcome}
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { Duplex } from 'node:stream';
import { deflateRawSync, constants } from 'node:zlib';
import { WebSocketServer } from 'ws';

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const DEFLATE = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover';
const PATIENCE_MS = 10_000;

const perMessageDeflate = { threshold: 0 };

function echo(socket) {
  socket.on('message', (data, binary) => socket.send(data, { binary, compress: binary || data.length > 0 }));
  socket.on('error', () => {});
}

function tell(server) {
  server.on('listening', () => console.log(JSON.stringify({ port: server.address().port })));
  process.stdin.resume().on('end', () => process.exit(0));
}

function serve() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  server.on('connection', echo);
  tell(server);
}

// `ws` knows HTTP/1.1 alone: what it writes first, the head of its answer, becomes that of the stream.
class Stream extends Duplex {
  constructor(stream) {
    super({ allowHalfOpen: true });
    this.stream = stream;
    stream.on('data', (bytes) => this.push(bytes) || stream.pause());
    stream.on('end', () => this.push(null));
    stream.on('error', (error) => this.destroy(error));
    stream.on('close', () => this.destroy());
  }

  _read() {
    this.stream.resume();
  }

  _write(bytes, _encoding, done) {
    if (this.stream.headersSent) return this.stream.write(bytes, done);
    const [status, ...lines] = bytes.toString().trimEnd().split('\r\n');
    const headers = { ':status': status.includes(' 101 ') ? 200 : Number(status.split(' ')[1]) };
    for (const line of lines) {
      const [name, value] = line.toLowerCase().split(': ');
      if (name.startsWith('sec-websocket-') && name !== 'sec-websocket-accept') headers[name] = value;
    }
    this.stream.respond(headers);
    done();
  }

  _final(done) {
    this.stream.end(done);
  }

  _destroy(error, done) {
    this.stream.close(error ? http2.constants.NGHTTP2_CANCEL : http2.constants.NGHTTP2_NO_ERROR);
    done(error);
  }
}

function serveHttp2() {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate });
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream, headers) => {
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') {
      return stream.respond({ ':status': 400 }, { endStream: true });
    }
    const key = randomBytes(16).toString('base64');
    const asked = { ...headers, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': key };
    sockets.handleUpgrade({ method: 'GET', url: headers[':path'], headers: asked }, new Stream(stream), Buffer.alloc(0), echo);
  });
  server.listen(0, '127.0.0.1');
  tell(server);
}

// A frame of a client: masked, whole unless `fin` says otherwise.
function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true } = {}) {
  const body = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = masked ? 0x80 : 0;
  if (body.length < 126) head.push(bit | body.length);
  else if (body.length < 65536) head.push(bit | 126, body.length >> 8, body.length & 255);
  else head.push(bit | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (body.length >>> shift) & 255));
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  const mask = randomBytes(4);
  return Buffer.concat([Buffer.from(head), mask, body.map((byte, at) => byte ^ mask[at % 4])]);
}

const part = (opcode, payload, more = {}) => frame(opcode, payload, { fin: false, ...more });
const code = (number, reason = '') => Buffer.concat([Buffer.from([number >> 8, number & 255]), Buffer.from(reason)]);
const deflate = (text) => deflateRawSync(Buffer.from(text), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const pieces = (opcode, payload, size) => {
  const all = Buffer.from(payload);
  const count = Math.ceil(all.length / size);
  return Array.from({ length: count }, (_, at) =>
    frame(at ? CONTINUATION : opcode, all.subarray(at * size, (at + 1) * size), { fin: at === count - 1 }));
};

// Each case: what is sent, and whether a close frame ends it (one that the server must refuse ends by itself).
function cases() {
  const list = {};
  const good = (name, ...frames) => (list[name] = { frames, closes: true });
  const bad = (name, ...frames) => (list[name] = { frames, closes: false });
  for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]) {
    good(`text of ${size}`, frame(TEXT, '*'.repeat(size)));
    good(`binary of ${size}`, frame(BINARY, Buffer.alloc(size, 0xfe)));
    good(`text of ${size}, compressed`, frame(TEXT, deflate('compress me '.repeat(size / 12)), { rsv: 4 }));
  }
  good('many messages', ...Array.from({ length: 200 }, (_, at) => frame(TEXT, `message ${at}`)));
  for (const size of [1, 7, 4096]) {
    good(`text in pieces of ${size}`, ...pieces(TEXT, 'κόσμε 𝄞 '.repeat(size === 1 ? 5 : 2000), size));
    good(`binary in pieces of ${size}`, ...pieces(BINARY, Buffer.alloc(size * 20, 7), size));
  }
  good('compressed in pieces', part(TEXT, deflate('in pieces').subarray(0, 4), { rsv: 4 }), frame(CONTINUATION, deflate('in pieces').subarray(4)));
  good('empty pieces', part(TEXT, ''), part(CONTINUATION, 'middle'), frame(CONTINUATION, ''));
  for (const size of [0, 5, 125]) good(`ping of ${size}`, frame(PING, 'p'.repeat(size)));
  good('ten pings', ...Array.from({ length: 10 }, (_, at) => frame(PING, `ping ${at}`)));
  good('a pong unasked', frame(PONG, 'nobody asked'), frame(TEXT, 'after it'));
  good('a ping between pieces', part(TEXT, 'one '), frame(PING, 'between'), frame(CONTINUATION, 'two'));
  for (const number of [1000, 1001, 1002, 1003, 1007, 1008, 1011, 3000, 3999, 4000, 4999]) {
    bad(`close ${number}`, frame(TEXT, 'before'), frame(CLOSE, code(number, 'reason')));
  }
  bad('close without a code', frame(CLOSE));
  bad('close with the longest reason', frame(CLOSE, code(1000, 'r'.repeat(123))));
  for (const number of [0, 999, 1004, 1005, 1006, 1015, 5000]) bad(`close ${number}`, frame(CLOSE, code(number)));
  bad('close of one byte', frame(CLOSE, 'x'));
  bad('close with a reason that is no text', frame(CLOSE, Buffer.from([3, 232, 0xce, 0xba, 0xed, 0xa0])));
  bad('text that is no UTF-8', frame(TEXT, Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80])));
  bad('text that is no UTF-8, in pieces', part(TEXT, Buffer.from([0xce])), frame(CONTINUATION, Buffer.from([0xff])));
  bad('a reserved bit', frame(TEXT, 'x', { rsv: 2 }));
  for (const opcode of [3, 7, 11, 15]) bad(`opcode ${opcode}`, frame(TEXT, 'before'), frame(opcode, 'x'));
  bad('a ping of 126', frame(PING, 'p'.repeat(126)));
  bad('a ping in pieces', part(PING, 'p'));
  bad('a frame that is not masked', frame(TEXT, 'x', { masked: false }));
  bad('a continuation of nothing', frame(CONTINUATION, 'x'));
  bad('a message within a message', part(TEXT, 'x'), frame(TEXT, 'y'));
  bad('compressed nonsense', frame(TEXT, Buffer.alloc(20, 0xff), { rsv: 4 }));
  return list;
}

const asked = { 'sec-websocket-version': '13', 'sec-websocket-extensions': DEFLATE };

function overHttp1(library, port, host) {
  return new Promise((done, fail) => {
    const headers = { ...asked, host, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': randomBytes(16).toString('base64') };
    const request = library.get({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false, headers, agent: false });
    request.on('upgrade', (response, socket, head) => {
      if (head.length) socket.unshift(head);
      done([socket, response.headers['sec-websocket-extensions']]);
    });
    request.on('response', (response) => fail(new Error(`status ${response.statusCode}`)));
    request.on('error', fail);
  });
}

let session;
async function overHttp2(port, host) {
  session ??= await new Promise((done, fail) => {
    const made = http2.connect(`https://127.0.0.1:${port}`, { servername: host, rejectUnauthorized: false });
    made.on('error', fail);
    made.on('remoteSettings', (settings) => (settings.enableConnectProtocol ? done(made) : fail(new Error('not offered'))));
  });
  const line = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':authority': host, ':path': '/' };
  const stream = session.request({ ...line, ...asked }, { endStream: false });
  return new Promise((done, fail) => {
    stream.on('error', fail);
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) fail(new Error(`status ${headers[':status']}`));
      else done([stream, headers['sec-websocket-extensions']]);
    });
  });
}

// What came, frame by frame: first byte, length, and a digest of the payload; then how it ended.
function read(bytes) {
  const frames = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at + 1] & 127;
    let start = at + 2;
    if (length === 126) [length, start] = [bytes.readUInt16BE(start), start + 2];
    else if (length === 127) [length, start] = [Number(bytes.readBigUInt64BE(start)), start + 8];
    const payload = bytes.subarray(start, start + length);
    const digest = createHash('sha256').update(payload).digest('hex').slice(0, 16);
    frames.push(`${bytes[at].toString(16)} ${length} ${(bytes[at] & 15) === CLOSE ? payload.toString('hex') : digest}`);
    at = start + length;
  }
  return frames.join(', ');
}

function attempt([socket, extensions], { frames, closes }) {
  return new Promise((done) => {
    const received = [];
    const end = (how) => {
      clearTimeout(timer);
      socket.destroy();
      done(`${extensions}: ${read(Buffer.concat(received))} ${how}`);
    };
    const timer = setTimeout(() => end('and no end'), PATIENCE_MS);
    socket.on('data', (bytes) => received.push(bytes));
    socket.on('error', () => {});
    socket.on('end', () => end('end'));
    socket.on('close', () => end('end'));
    for (const bytes of frames) socket.write(bytes);
    if (closes) socket.write(frame(CLOSE, code(1000)));
  });
}

async function tryAll(way, port, host) {
  const open = { direct: () => overHttp1(http, port, host), http1: () => overHttp1(https, port, host), http2: () => overHttp2(port, host) }[way];
  const report = {};
  for (const [name, one] of Object.entries(cases())) {
    report[name] = await open().then((connection) => attempt(connection, one), (error) => `not opened: ${error.message}`);
  }
  session?.close();
  console.log(`REPORT ${JSON.stringify(report)}`);
}

const [mode, way, port, host] = process.argv.slice(2);
if (mode === 'serve') serve();
else if (mode === 'serve-http2') serveHttp2();
else await tryAll(way, Number(port), host);

// A stock gRPC server and client, for tests.
//
//   node grpc.mjs server [CERT KEY]    serves in clear text (h2c), or TLS, until standard input ends; prints
//                                     {"address": …}, and {"cancelled": METHOD} for each call that its client gave up
//   node grpc.mjs client SCENE {…}    runs a scene against {target, authority, …} over TLS; prints REPORT {…}
//
// Messages are plain bytes: /test.Echo has the four kinds of calls, a failing one and one that never answers;
// grpc.health.v1 is the package `grpc-health-check`.
import { readFileSync } from 'node:fs';
import * as grpc from '@grpc/grpc-js';
import health from 'grpc-health-check';

const bytes = (value) => value;
const method = (name, requestStream, responseStream) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const service = {
  unary: method('Unary', false, false),
  clientStream: method('ClientStream', true, false),
  serverStream: method('ServerStream', false, true),
  bidi: method('Bidi', true, true),
  fail: method('Fail', false, false),
  silent: method('Silent', false, true),
};
const UNLIMITED = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

function describe(call) {
  const seen = {};
  for (const [name, value] of Object.entries(call.metadata.getMap())) {
    seen[name] = Buffer.isBuffer(value) ? value.toString('hex') : value;
  }
  const reply = new grpc.Metadata();
  reply.set('x-seen', JSON.stringify(seen));
  call.sendMetadata(reply);
}

function trailer(name, value) {
  const metadata = new grpc.Metadata();
  metadata.set(name, value);
  return metadata;
}

const implementation = {
  unary(call, done) {
    describe(call);
    done(null, call.request, trailer('x-sum', String(call.request.length)));
  },
  clientStream(call, done) {
    let count = 0;
    let size = 0;
    call.on('data', (message) => {
      count += 1;
      size += message.length;
    });
    call.on('end', () => done(null, Buffer.from(`${count} ${size}`)));
  },
  serverStream(call) {
    const [count, size] = call.request.toString().split(' ').map(Number);
    let sent = 0;
    const more = () => {
      while (sent < count) {
        sent += 1;
        if (!call.write(Buffer.alloc(size, sent & 0xff))) return call.once('drain', more);
      }
      call.end(trailer('x-sum', String(count * size)));
    };
    more();
  },
  bidi(call) {
    call.on('data', (message) => {
      if (!call.write(message)) {
        call.pause();
        call.once('drain', () => call.resume());
      }
    });
    call.on('end', () => call.end());
    call.on('cancelled', () => console.log(JSON.stringify({ cancelled: 'Bidi' })));
  },
  fail(_call, done) {
    const metadata = trailer('x-why-bin', Buffer.from([0, 1, 255]));
    done({ code: grpc.status.FAILED_PRECONDITION, details: 'not ready: ä %', metadata });
  },
  silent(call) {
    call.sendMetadata(new grpc.Metadata());
    call.on('cancelled', () => console.log(JSON.stringify({ cancelled: 'Silent' })));
  },
};

async function serve(cert, key) {
  const pair = cert && [{ cert_chain: readFileSync(cert), private_key: readFileSync(key) }];
  const credentials = pair ? grpc.ServerCredentials.createSsl(null, pair) : grpc.ServerCredentials.createInsecure();
  const server = new grpc.Server(UNLIMITED);
  server.addService(service, implementation);
  new health.HealthImplementation({ '': 'SERVING', 'test.Echo': 'NOT_SERVING' }).addToServer(server);
  const port = await new Promise((ready, failed) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? failed(error) : ready(bound))),
  );
  console.log(JSON.stringify({ address: `127.0.0.1:${port}` }));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}

const Echo = grpc.makeGenericClientConstructor(service, 'test.Echo');
const Health = grpc.makeGenericClientConstructor(health.service, 'grpc.health.v1.Health');

function connect(Client, { target, authority }) {
  const credentials = grpc.credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  return new Client(target, credentials, {
    ...UNLIMITED,
    'grpc.ssl_target_name_override': authority,
    'grpc.default_authority': authority,
    'grpc.enable_retries': 0,
  });
}

const soon = (seconds = 30) => ({ deadline: Date.now() + seconds * 1000 });
const failure = (error) => ({ code: error.code, details: error.details });

// One call to its end: its status, both kinds of metadata, the messages.
function run(start) {
  return new Promise((over) => {
    const result = { messages: [] };
    const call = start((error, message) => {
      if (message) result.messages.push(message);
    });
    call.on('metadata', (metadata) => (result.metadata = metadata.getMap()));
    call.on('status', (status) => {
      result.code = status.code;
      result.details = status.details;
      result.trailers = status.metadata.getMap();
      over(result);
    });
    if (call.read) call.on('data', (message) => result.messages.push(message));
    call.on('error', () => {});
  });
}

const show = ({ messages, ...rest }) => ({ ...rest, sizes: messages.map((m) => m.length) });

const scenes = {
  // The four kinds of calls, with metadata, and a failing one.
  async calls(settings) {
    const client = connect(Echo, settings);
    const metadata = new grpc.Metadata();
    metadata.set('x-ask', 'yes');
    metadata.set('x-raw-bin', Buffer.from([1, 2, 254]));
    metadata.set('x-pomerium-claim-email', 'root@example.com');
    const unary = await run((done) => client.unary(Buffer.from('hello'), metadata, soon(), done));
    const clientStream = await run((done) => {
      const call = client.clientStream(soon(), done);
      for (let n = 1; n <= 100; n += 1) call.write(Buffer.alloc(n));
      call.end();
      return call;
    });
    const serverStream = await run(() => client.serverStream(Buffer.from('50 1000'), soon()));
    const bidi = await run(() => {
      const call = client.bidi(soon());
      let sent = 0;
      const next = () => (sent < 20 ? call.write(Buffer.alloc((sent += 1))) : call.end());
      // Each message waits for the echo of the one before.
      call.on('data', next);
      next();
      return call;
    });
    const fail = await run((done) => client.fail(Buffer.from('x'), soon(), done));
    fail.trailers['x-why-bin'] = fail.trailers['x-why-bin']?.toString('hex');
    return {
      unary: show(unary),
      clientStream: { ...show(clientStream), answer: clientStream.messages[0]?.toString() },
      serverStream: show(serverStream),
      bidi: show(bidi),
      fail: show(fail),
    };
  },

  // Messages of several MiB both ways, while the reader is slower than the writer.
  async large(settings) {
    const client = connect(Echo, settings);
    const size = 3 << 20;
    const big = Buffer.alloc(size);
    for (let at = 0; at < size; at += 4) big.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
    const unary = await run((done) => client.unary(big, soon(), done));
    const count = 40;
    let received = 0;
    let same = true;
    const bidi = await run(() => {
      const call = client.bidi(soon(60));
      const half = big.subarray(0, 512 << 10);
      let sent = 0;
      const more = () => {
        while (sent < count) {
          sent += 1;
          if (!call.write(half)) return call.once('drain', more);
        }
        call.end();
      };
      call.on('data', (message) => {
        received += 1;
        same &&= message.equals(half);
        call.pause();
        setImmediate(() => call.resume());
      });
      more();
      return call;
    });
    return { code: unary.code, same: unary.messages[0]?.equals(big) ?? false, bidi: bidi.code, received, echoed: same };
  },

  async deadline(settings) {
    const client = connect(Echo, settings);
    const ended = await run(() => client.silent(Buffer.from('x'), { deadline: Date.now() + settings.milliseconds }));
    return show(ended);
  },

  async cancel(settings) {
    const client = connect(Echo, settings);
    const ended = await run(() => {
      const call = client.bidi(soon());
      call.on('data', () => call.cancel());
      call.write(Buffer.from('x'));
      return call;
    });
    return show(ended);
  },

  // Says {"begun": true} once a stream runs, goes on when it reads a line, and must still hear its echoes.
  async across(settings) {
    const client = connect(Echo, settings);
    const ended = await run(() => {
      const call = client.bidi(soon(60));
      call.write(Buffer.from('one'));
      call.once('data', () => {
        console.log(JSON.stringify({ begun: true }));
        process.stdin.once('data', () => {
          call.once('data', () => call.end());
          call.write(Buffer.from('two'));
        });
      });
      return call;
    });
    process.stdin.pause();
    return { ...show(ended), text: ended.messages.map(String).join(' ') };
  },

  // Says {"begun": true} once a call of somebody who is signed in runs, and waits for its end.
  async until(settings) {
    const client = connect(Echo, settings);
    const metadata = new grpc.Metadata();
    metadata.set('cookie', settings.cookie);
    const begun = () => console.log(JSON.stringify({ begun: true }));
    const ended = await run(() => {
      if (settings.method === 'silent') {
        return client.silent(Buffer.from('x'), metadata, soon(60)).once('metadata', begun);
      }
      const call = client.bidi(metadata, soon(60));
      call.once('data', begun);
      call.write(Buffer.from('one'));
      return call;
    });
    return show(ended);
  },

  async unary(settings) {
    const client = connect(Echo, settings);
    const { metadata, ...ended } = await run((done) => client.unary(Buffer.from('hello'), soon(), done));
    return { ...show(ended), intercepted: metadata?.['x-pomerium-intercepted-response'] };
  },

  async health(settings) {
    const client = connect(Health, settings);
    const check = (service) =>
      new Promise((over) => client.check({ service }, soon(), (error, reply) => over(error ? failure(error) : reply)));
    const watched = await new Promise((over) => {
      const call = client.watch({ service: 'test.Echo' }, soon());
      call.on('data', (reply) => {
        over(reply);
        call.cancel();
      });
      call.on('error', (error) => over(failure(error)));
    });
    return { all: await check(''), one: await check('test.Echo'), none: await check('nobody'), watched };
  },
};

const [mode, scene, settings] = process.argv.slice(2);
if (mode === 'server') {
  await serve(...process.argv.slice(3));
} else {
  const report = await scenes[scene](JSON.parse(settings));
  console.log(`REPORT ${JSON.stringify(report)}`);
  process.exit(0);
}

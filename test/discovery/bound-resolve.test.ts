/** Name servers that lie, cut their answers or say nothing. They listen at an address of this machine's network. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { boundResolve } from '../../engine/discovery/bound-resolve.js';
import type { SocketBinding } from '../../engine/egress/socket-binding.js';

/** No server on the loopback interface is asked. */
const HERE = Object.values(networkInterfaces())
  .flatMap((infos) => infos ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const SKIP = HERE === undefined ? 'this machine has no network' : false;

const FLAGS = { answer: 0x8180, cut: 0x8380, failed: 0x8182, none: 0x8183 } as const;

/** IPv4 only, and what is open by it. */
class Bound implements SocketBinding {
  open = 0;

  source(family: 4 | 6) {
    if (family === 6 || HERE === undefined) throw new Error('no address');
    return { host: HERE, device: 'here', pinned: false };
  }

  sourceFor(host: string): ReturnType<Bound['source']> {
    return this.source(isIP(host) === 4 ? 4 : 6);
  }

  hold(): () => void {
    this.open++;
    return () => this.open--;
  }
}

function answerTo(question: Buffer, flags: number, ...hosts: readonly string[]): Buffer {
  const records = hosts.map((host) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 4, ...host.split('.').map(Number)]),
  );
  const packet = Buffer.concat([question, ...records]);
  packet.writeUInt16BE(flags, 2);
  packet.writeUInt16BE(hosts.length, 6);
  return packet;
}

type Answer = (question: Buffer, say: (packet: Buffer, by?: Socket) => void) => void;

async function socketOf(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, HERE);
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket;
}

/** @returns `address:port` */
async function nameServer(t: TestContext, answer: Answer): Promise<string> {
  const socket = await socketOf(t);
  socket.on('message', (question, { port, address }) =>
    answer(question, (packet, by = socket) => by.send(packet, port, address)),
  );
  return `${HERE}:${socket.address().port}`;
}

async function addressesBy(...servers: readonly string[]): Promise<readonly string[]> {
  const bound = new Bound();
  try {
    return await boundResolve(bound, servers)('tracker.example', AbortSignal.timeout(5_000));
  } finally {
    // A socket tells of its end a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(bound.open, 0);
  }
}

test('believes who was asked only, and only what answers the question', { skip: SKIP }, async (t) => {
  const stranger = await socketOf(t);
  const server = await nameServer(t, (question, say) => {
    say(answerTo(question, FLAGS.answer, '192.0.2.1'), stranger);
    stranger.send('after that', 9, HERE, () => {
      const other = Buffer.from(question);
      other.writeUInt16BE(question.readUInt16BE(0) ^ 1, 0);
      say(answerTo(other, FLAGS.answer, '192.0.2.2'));
      say(Buffer.alloc(3));
      say(question);
      say(answerTo(question, FLAGS.answer, '192.0.2.3'));
    });
  });
  assert.deepEqual(await addressesBy(server), ['192.0.2.3']);
});

test('asks the next server where one has cut its answer to nothing, or could not say', {
  skip: SKIP,
}, async (t) => {
  const good = await nameServer(t, (question, say) => say(answerTo(question, FLAGS.answer, '192.0.2.3')));
  for (const flags of [FLAGS.cut, FLAGS.failed]) {
    const useless = await nameServer(t, (question, say) => say(answerTo(question, flags)));
    assert.deepEqual(await addressesBy(useless, good), ['192.0.2.3']);
    await assert.rejects(addressesBy(useless), {
      code: 'TRACKER_UNREACHABLE',
      message: /no name server answers/,
    });
  }
});

test('says so where there is no such name, without asking on', { skip: SKIP }, async (t) => {
  const none = await nameServer(t, (question, say) => say(answerTo(question, FLAGS.none)));
  const other = await nameServer(t, () => assert.fail('it was asked'));
  await assert.rejects(addressesBy(none, other), { code: 'TRACKER_UNREACHABLE', message: /no address/ });
});

test('passes over servers that cannot be asked', { skip: SKIP }, async (t) => {
  const good = await nameServer(t, (question, say) => say(answerTo(question, FLAGS.answer, '192.0.2.3')));
  const wrong = [`${HERE}:0`, `${HERE}:99999`, '127.0.0.53', '::1', '::ffff:127.0.0.1', 'ns.example', ''];
  assert.deepEqual(await addressesBy(...wrong, good), ['192.0.2.3']);
  await assert.rejects(addressesBy(...wrong), { code: 'TRACKER_UNREACHABLE', message: /no name server/ });
});

test('gives up at once when nobody waits any more', { skip: SKIP }, async (t) => {
  const given = new AbortController();
  const server = await nameServer(t, () => given.abort(new Error('enough')));
  const bound = new Bound();
  await assert.rejects(boundResolve(bound, [server])('tracker.example', given.signal), /enough/);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(bound.open, 0);
});

/** Connections of ours in each mode of encryption, with each other and with peers made of bytes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { EncryptionMode } from '../../engine/options.js';
import type { CloseReason } from '../../engine/ports.js';
import { asPiece } from '../../engine/units.js';
import { MseHandshake } from '../../engine/wire/mse-handshake.js';
import {
  checksum,
  frame,
  handshakeBytes,
  INFO_HASH,
  identity,
  ManualClock,
  RawPeer,
  Side,
} from './harness.js';

const MODES: readonly EncryptionMode[] = ['off', 'prefer', 'require'];

describe('two of ours', () => {
  for (const dialer of MODES) {
    for (const listener of MODES) {
      const fits =
        dialer === listener ||
        (dialer !== 'require' && listener !== 'require') ||
        (dialer !== 'off' && listener !== 'off');
      const rc4 = fits && (dialer === 'require' || listener === 'require');
      test(`${dialer} dials ${listener}: ${fits ? (rc4 ? 'RC4' : 'plaintext payload') : 'no connection'}`, async (t) => {
        const b = await new Side({ encryption: listener }).listen();
        const a = new Side({ encryption: dialer });
        t.after(() => {
          a.close();
          b.close();
        });
        const accepted = b.nextPeer();
        const dialed = await a.dial(b.port);
        if (!fits) {
          assert.ok('kind' in dialed);
          assert.equal(a.slots.used + a.slots.halfOpen, 0);
          return;
        }
        assert.ok(!('kind' in dialed));
        const { connection, handler } = await accepted;
        for (const end of [dialed.connection, connection]) assert.equal(end.encrypted, rc4);
        const block = new Uint8Array(100_000).map((_, i) => i * 7);
        const sent = frame(7, [4, 16_384], block);
        const untouched = checksum(sent);
        for (const [from, to] of [
          [dialed.connection, handler],
          [connection, dialed.handler],
        ] as const) {
          from.interested();
          from.sendFrames(sent, () => {});
          from.have(asPiece(3));
          from.sendFrames(sent, () => {});
          from.unchoke();
          await to.called('unchoke');
          const told = to.calls.filter(([name]) => name !== 'extendedHandshake');
          const piece = ['block', 4, 16_384, block.length, checksum(block)];
          assert.deepEqual(told, [['interested'], piece, ['have', 3], piece, ['unchoke']]);
        }
        assert.equal(checksum(sent), untouched, 'frames belong to others too');
      });
    }
  }
});

/** Listens, and closes with the test. */
async function listening(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** A peer that speaks plaintext, and hangs up on anything else as most do. @returns its port and a count of its connections */
async function plaintextPeer(t: TestContext): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const port = await listening(t, (socket) => {
    connections++;
    socket.once('data', (bytes: Buffer) => {
      if (bytes[0] === 0x13) socket.write(handshakeBytes());
      else socket.destroy();
    });
  });
  return { port, connections: () => connections };
}

describe('who dials where encryption is', () => {
  test('preferred comes again in plaintext to a peer that hangs up, and the next time at once', async (t) => {
    const peer = await plaintextPeer(t);
    const side = new Side({ encryption: 'prefer' });
    t.after(() => side.close());
    const first = await side.dial(peer.port);
    assert.ok(!('kind' in first));
    assert.equal(first.connection.encrypted, false);
    assert.equal(peer.connections(), 2);
    assert.equal(side.slots.used, 1);
    assert.equal(side.slots.halfOpen, 0);
    await side.dial(peer.port);
    assert.equal(peer.connections(), 3);
  });

  test('preferred comes again after 6 s to a peer that says nothing', async (t) => {
    const clock = new ManualClock();
    const side = new Side({ encryption: 'prefer', clock });
    t.after(() => side.close());
    let connections = 0;
    const port = await listening(t, (socket) => {
      if (++connections > 1) socket.write(handshakeBytes());
      else socket.once('data', () => clock.advance(7_000));
    });
    const dialed = await side.dial(port);
    assert.ok(!('kind' in dialed));
    assert.equal(connections, 2);
  });

  test('preferred does not come again to who is not there', async () => {
    const gone = await new Side().listen();
    gone.close();
    const side = new Side({ encryption: 'prefer' });
    assert.deepEqual(await side.dial(gone.port), { kind: 'network', text: 'nothing listens there' });
    assert.equal(side.slots.used + side.slots.halfOpen, 0);
  });

  test('preferred does not come again to a peer that speaks it and then hangs up', async (t) => {
    let connections = 0;
    const port = await listening(t, (socket) => {
      connections++;
      const mse = MseHandshake.respond({
        random: randomBytes,
        send: (...parts) => void socket.write(Buffer.concat(parts)),
        payload: 'any',
        mayExchangeKeys: () => true,
        infoHashOf: () => INFO_HASH,
      });
      socket.on('data', (chunk) => {
        mse.take(chunk);
        if (mse.result !== undefined) socket.end();
      });
    });
    const side = new Side({ encryption: 'prefer' });
    const result = await side.dial(port);
    assert.deepEqual(result, { kind: 'remote', text: 'the peer closed the connection' });
    assert.equal(connections, 1);
  });

  test('required does not, and says why', async (t) => {
    const peer = await plaintextPeer(t);
    const side = new Side({ encryption: 'require' });
    const result = await side.dial(peer.port);
    assert.ok('kind' in result);
    assert.equal(peer.connections(), 1);
    assert.equal(side.slots.used + side.slots.halfOpen, 0);
  });

  test('preferred can be aborted in either attempt', async (t) => {
    for (const attempt of [1, 2]) {
      const side = new Side({ encryption: 'prefer' });
      const told: unknown[] = [];
      await new Promise<void>((aborted) => {
        let connections = 0;
        void listening(t, (socket) => {
          if (++connections < attempt) {
            socket.destroy();
            return;
          }
          socket.once('close', () => aborted());
          socket.once('data', () => abort());
        }).then((port) => {
          abort = side.dialer.dial({ host: '127.0.0.1', port }, identity({ seed: 2 }), (result) =>
            told.push(result),
          );
        });
        let abort = (): void => {};
      });
      assert.deepEqual(told, []);
      assert.equal(side.slots.used + side.slots.halfOpen, 0);
    }
  });
});

/** Shakes hands by our own code in place of a connection, over a raw socket. */
async function dialEncrypted(
  port: number,
  { infoHash = INFO_HASH, initialPayload = handshakeBytes() } = {},
): Promise<{ raw: RawPeer; mse: MseHandshake }> {
  const raw = await RawPeer.to(port);
  const send = (...parts: readonly Uint8Array[]): void => void raw.send(...parts);
  const mse = MseHandshake.initiate({ random: randomBytes, send, payload: 'any', infoHash, initialPayload });
  raw.socket.on('data', (chunk) => mse.take(chunk));
  return { raw, mse };
}

describe('who is dialled where encryption is', () => {
  test('preferred takes a plaintext handshake byte by byte', async (t) => {
    const side = await new Side({ encryption: 'prefer' }).listen();
    t.after(() => side.close());
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    for (const byte of handshakeBytes()) {
      raw.send(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    assert.equal((await accepted).connection.encrypted, false);
  });

  test('preferred takes a key that begins like a plaintext handshake', async (t) => {
    const side = await new Side({ encryption: 'prefer' }).listen();
    t.after(() => side.close());
    const raw = await RawPeer.to(side.port);
    raw.send(Buffer.from('\x13BitTorrent'));
    await new Promise(setImmediate);
    raw.send(Buffer.alloc(85, 0xa5));
    assert.ok((await raw.receive(96)).length >= 96, 'it answers with its key');
    raw.end();
  });

  test('required closes a plaintext handshake', async (t) => {
    const side = await new Side({ encryption: 'require' }).listen();
    t.after(() => side.close());
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes());
    await raw.gone;
    assert.equal(raw.bytes.length, 0);
    assert.equal(side.slots.used, 0);
  });

  test('preferred takes messages that follow the handshake inside of the initial payload', async (t) => {
    const side = await new Side({ encryption: 'prefer' }).listen();
    t.after(() => side.close());
    const accepted = side.nextPeer();
    await dialEncrypted(side.port, {
      initialPayload: Buffer.concat([handshakeBytes(), frame(2), frame(4, [3])]),
    });
    const { handler } = await accepted;
    await handler.called('have');
    assert.deepEqual(handler.calls, [['interested'], ['have', 3]]);
  });

  test('preferred closes an initial payload for another torrent than its key', async (t) => {
    const side = await new Side({ encryption: 'prefer' }).listen();
    t.after(() => side.close());
    const other = 'bb'.repeat(20);
    side.listener.register(identity({ infoHash: other }), () => assert.fail('it is not a peer'));
    const { raw } = await dialEncrypted(side.port, { initialPayload: handshakeBytes({ infoHash: other }) });
    await raw.gone;
    assert.equal(side.slots.used, 0);
  });

  test('preferred closes a torrent that it does not have, or no longer', async (t) => {
    const side = await new Side({ encryption: 'prefer' }).listen();
    t.after(() => side.close());
    const unknown = await dialEncrypted(side.port, { infoHash: 'bb'.repeat(20) });
    await unknown.raw.gone;
    side.listener.unregister(INFO_HASH);
    const gone = await dialEncrypted(side.port);
    await gone.raw.gone;
    assert.equal(side.slots.used, 0);
  });

  test('preferred gives an encrypted handshake that trickles in no more than 15 s', async (t) => {
    const clock = new ManualClock();
    const side = await new Side({ encryption: 'prefer', clock }).listen();
    t.after(() => side.close());
    const raw = await RawPeer.to(side.port);
    let gone = false;
    void raw.gone.then(() => {
      gone = true;
    });
    for (let seconds = 0; seconds < 15; seconds++) {
      assert.equal(gone, false);
      raw.send(Uint8Array.of(0xa5));
      await new Promise(setImmediate);
      clock.advance(1_000);
    }
    clock.advance(1_000);
    await raw.gone;
    assert.equal(side.slots.used, 0);
  });

  test('preferred exchanges 20 keys a second with one address, and closes who comes then', async (t) => {
    const clock = new ManualClock();
    const side = await new Side({ encryption: 'prefer', clock }).listen();
    t.after(() => side.close());
    const exchange = async (): Promise<number> => {
      const raw = await RawPeer.to(side.port);
      raw.send(Buffer.alloc(96, 0xa5));
      await Promise.race([raw.gone, raw.receive(96)]);
      raw.end();
      await raw.gone;
      return raw.bytes.length;
    };
    for (let i = 0; i < 20; i++) assert.ok((await exchange()) >= 96);
    assert.equal(await exchange(), 0);
    clock.advance(1_000);
    assert.ok((await exchange()) >= 96);
  });
});

test('a peer that encrypts everything and breaks the protocol is told of as any other', async (t) => {
  const [listener, dialer] = [
    await new Side({ encryption: 'require' }).listen(),
    new Side({ encryption: 'require' }),
  ];
  t.after(() => {
    listener.close();
    dialer.close();
  });
  const accepted = listener.nextPeer();
  const dialed = await dialer.dial(listener.port);
  assert.ok(!('kind' in dialed));
  const { handler } = await accepted;
  dialed.connection.sendFrames(frame(0, [1]), () => {});
  const reason: CloseReason = await handler.closed;
  assert.deepEqual(reason, { kind: 'violation', text: 'message 0 has 5 bytes instead of 1' });
});

/** A hostile peer made of bytes, on both sides of the handshake. Each row must end in a named violation or be ignored. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import type { PeerConnection } from '../../engine/ports.js';
import { NO_HANDLER } from '../../engine/ports.js';
import { asPiece } from '../../engine/units.js';
import {
  frame,
  handshakeBytes,
  INFO_HASH,
  identity,
  ManualClock,
  PIECES,
  RawPeer,
  Recorder,
  Side,
} from './harness.js';

const text = (value: string): Buffer => Buffer.from(value, 'latin1');
const length = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const extended = (payload: string): Buffer => frame(20, [], text(`\0${payload}`));
const repeat = (count: number, bytes: Uint8Array): Buffer =>
  Buffer.concat(new Array<Uint8Array>(count).fill(bytes));
const key = (name: string): string => `${name.length}:${name}`;

/** A raw peer that has shaken hands, and our end of the connection. */
async function connectBoth(
  side: Side,
  direction: 'incoming' | 'outgoing',
): Promise<[RawPeer, PeerConnection]> {
  if (direction === 'incoming') {
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes({ extended: false }));
    return [raw, (await accepted).connection];
  }
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const dialed = side.dial(address.port);
  const [socket] = await once(server, 'connection');
  server.close();
  const raw = new RawPeer(socket);
  raw.send(handshakeBytes({ extended: false }));
  const result = await dialed;
  assert.ok(!('kind' in result));
  return [raw, result.connection];
}

const FULL = Buffer.from('fffff8', 'hex');
const BLOCK = Buffer.alloc(16);
const TOO_LONG = 128 * 1024 + 1;
const PIECE_LENGTH = 32_768;
const TOTAL = 20 * PIECE_LENGTH + 5; // the last piece has 5 bytes

/** What arrives after a good handshake, and what the violation says. */
const VIOLATIONS: readonly [title: string, bytes: Buffer, says: RegExp, reserved?: { fast: boolean }][] = [
  ['a length of 0x80000000, negative if read as signed', length(0x80000000), /2147483648 bytes/],
  ['a length of 0xffffffff', length(0xffffffff), /4294967295 bytes/],
  ['a length of 0x7fffffff', length(0x7fffffff), /2147483647 bytes/],
  [
    'an unknown message beyond the limit',
    Buffer.concat([length(200_000), Buffer.from([99])]),
    /200000 bytes/,
  ],
  ['a choke with a body', frame(0, [1]), /message 0 has 5 bytes/],
  ['an unchoke with a body', frame(1, [1]), /message 1 has 5 bytes/],
  ['an interested with a body', frame(2, [1]), /message 2 has 5 bytes/],
  ['a not-interested with a body', frame(3, [1]), /message 3 has 5 bytes/],
  ['a have-all with a body', frame(14, [1]), /message 14 has 5 bytes/],
  ['a have-none with a body', frame(15, [1]), /message 15 has 5 bytes/],
  ['a have without an index', frame(4), /message 4 has 1 bytes/],
  ['a have with too much', frame(4, [1, 1]), /message 4 has 9 bytes/],
  ['a short request', frame(6, [1, 0]), /message 6 has 9 bytes/],
  ['a long request', frame(6, [1, 0, 16, 0]), /message 6 has 17 bytes/],
  ['a short cancel', frame(8, [1, 0]), /message 8 has 9 bytes/],
  ['a short reject', frame(16, [1, 0]), /message 16 has 9 bytes/],
  ['a short suggest', frame(13), /message 13 has 1 bytes/],
  ['a short allowed-fast', frame(17), /message 17 has 1 bytes/],
  ['a port of one byte', frame(9, [], Buffer.from([1])), /message 9 has 2 bytes/],
  ['a block without its header', frame(7, [1]), /a block of -4 bytes/],
  ['a block of no bytes', frame(7, [1, 0]), /a block of 0 bytes/],
  [
    'a block beyond 128 KiB',
    Buffer.concat([length(9 + TOO_LONG), Buffer.from([7])]),
    /a message of 131082 bytes/,
  ],
  ['a have of a piece that is not there', frame(4, [PIECES]), /piece 21 of 21/],
  ['a have of piece 2^32 - 1', frame(4, [0xffffffff]), /piece 4294967295 of 21/],
  ['a request for a piece that is not there', frame(6, [PIECES, 0, 16]), /piece 21 of 21/],
  ['a block of a piece that is not there', frame(7, [PIECES, 0], BLOCK), /piece 21 of 21/],
  ['a cancel of a piece that is not there', frame(8, [PIECES, 0, 16]), /piece 21 of 21/],
  ['a reject of a piece that is not there', frame(16, [PIECES, 0, 16]), /piece 21 of 21/],
  ['a suggest of a piece that is not there', frame(13, [PIECES]), /piece 21 of 21/],
  ['an allowed-fast of a piece that is not there', frame(17, [PIECES]), /piece 21 of 21/],
  ['a request for nothing', frame(6, [0, 0, 0]), /a block of 0 bytes/],
  ['a request beyond 128 KiB', frame(6, [0, 0, TOO_LONG]), /a block of 131073 bytes/],
  ['a request that leaves its piece', frame(6, [1, 16_384, 16_385]), /bytes 16384 to 32769 of piece 1/],
  ['a request at 2^32 - 1', frame(6, [1, 0xffffffff, 2]), /bytes 4294967295 to 4294967297 of piece 1/],
  ['a request that leaves the last piece', frame(6, [20, 0, 6]), /bytes 0 to 6 of piece 20/],
  ['a block that leaves its piece', frame(7, [20, 1], Buffer.alloc(5)), /bytes 1 to 6 of piece 20/],
  ['a bitfield that is too short', frame(5, [], Buffer.alloc(2)), /message 5 has 3 bytes instead of 4/],
  [
    'a bitfield of 20 MB',
    Buffer.concat([length(20_000_001), Buffer.from([5])]),
    /a message of 20000001 bytes/,
  ],
  ['a bitfield with a spare bit', frame(5, [], Buffer.from('fffffc', 'hex')), /spare bits/],
  ['a bitfield after have-all', Buffer.concat([frame(14), frame(5, [], FULL)]), /message 5 after/],
  ['a second have-all', repeat(2, frame(14)), /message 14 after a bitfield or have/],
  ['a have-none after a have', Buffer.concat([frame(4, [1]), frame(15)]), /message 15 after/],
  ['a late have-none', Buffer.concat([frame(14), frame(15)]), /message 15 after/],
  ['a have-all, not agreed', frame(14), /fast extension/, { fast: false }],
  ['a have-none, not agreed', frame(15), /fast extension/, { fast: false }],
  ['a suggest, not agreed', frame(13, [1]), /fast extension/, { fast: false }],
  ['an allowed-fast, not agreed', frame(17, [1]), /fast extension/, { fast: false }],
  ['a reject, not agreed', frame(16, [1, 0, 16]), /fast extension/, { fast: false }],
  ['an extended message without an id', frame(20), /an extended message without an id/],
  ['an extended message beyond 128 KiB', Buffer.concat([length(131_082), Buffer.from([20])]), /131082 bytes/],
  ['an extended handshake "d-3:", which hangs the package', extended('d-3:'), /extended handshake/],
  ['an extended handshake "l-3:", which exhausts its memory', extended('l-3:'), /extended handshake/],
  ['an extended handshake that is empty', extended(''), /extended handshake/],
  ['an extended handshake that is a list', extended('le'), /not a dictionary/],
  ['an extended handshake of 5,000 nested lists', extended('l'.repeat(5_000)), /extended handshake/],
  [
    'an extended handshake with 2,000 extensions',
    extended(
      `d1:md${Array.from({ length: 2_000 }, (_, i) => `${key(String(i).padStart(4, '0'))}i1e`).join('')}ee`,
    ),
    /extended handshake/,
  ],
  ['an extended handshake of 17 KiB', extended(`d1:v17400:${'x'.repeat(17_400)}e`), /17411 bytes/],
  ['33 extended handshakes', repeat(33, extended('de')), /more than 32 extended handshakes/],
  ['4,097 keep-alives', Buffer.alloc(4 * 4_097), /flood of messages/],
  ['4,097 suggestions', repeat(4_097, frame(13, [1])), /flood of messages/],
  ['4,097 messages of extensions', repeat(4_097, frame(20, [], Buffer.from([9, 1]))), /flood of messages/],
  ['1,046 haves for 21 pieces', repeat(1_046, frame(4, [1])), /more haves than pieces/],
  ['38 bitfields for 21 pieces', repeat(38, frame(5, [], FULL)), /flood of bitfields/],
  [
    '66 cancels of one request',
    Buffer.concat([frame(6, [0, 0, 16]), repeat(66, frame(8, [0, 0, 16]))]),
    /cancels/,
  ],
  ['1,025 unknown messages', repeat(1_025, frame(200, [1])), /flood of unknown messages/],
  ['a storm of choke and unchoke', repeat(200, Buffer.concat([frame(0), frame(1)])), /storm/],
  ['a storm of interest', repeat(5_000, Buffer.concat([frame(2), frame(3)])), /storm/],
];

describe('after the handshake, the connection is closed for', () => {
  let side: Side;
  before(async () => {
    side = await new Side().listen(identity({ geometry: new TorrentGeometry(PIECE_LENGTH, TOTAL) }));
  });
  after(() => side.close());

  for (const [title, bytes, says, reserved] of VIOLATIONS)
    test(title, async () => {
      const accepted = side.nextPeer();
      const raw = await RawPeer.to(side.port);
      raw.send(handshakeBytes(reserved), bytes);
      const { handler } = await accepted;
      const reason = await handler.closed;
      assert.equal(reason.kind, 'violation');
      assert.match(reason.text, says);
      await raw.gone;
      assert.equal(side.slots.used, 0);
    });
});

describe('after the handshake, the connection survives', () => {
  let side: Side;
  before(async () => {
    side = await new Side().listen();
  });
  after(() => side.close());

  const ignored: readonly [title: string, bytes: Buffer, calls?: unknown[][]][] = [
    ['keep-alives', Buffer.alloc(4_000)],
    ['the hash messages of BEP 52', Buffer.concat([21, 22, 23].map((id) => frame(id, [], Buffer.alloc(48))))],
    ['a few unknown messages', repeat(20, frame(250, [], Buffer.alloc(1_000)))],
    ['messages of extensions that were not announced', repeat(20, frame(20, [], Buffer.from([77, 1])))],
    ['a DHT port of 0', frame(9, [], Buffer.alloc(2))],
    ['a DHT port', frame(9, [], Buffer.from([0x1a, 0xe1])), [['dhtPort', 6881]]],
    [
      'a handshake whose `m` has odd names and values',
      extended(
        `d1:md${key('__proto__')}i1e${key('big')}i300e${key('deep')}d${key('toString')}i1ee${key('toString')}de6:ut_pexi7eee`,
      ),
      [['extendedHandshake', { extensions: new Set(['__proto__', 'ut_pex']) }]],
    ],
    [
      'a handshake whose fields are out of range',
      extended(
        `d13:metadata_sizei-1e1:pi70000e4:reqqi${'9'.repeat(19)}e11:upload_onlyi1e1:v200:${'\xff'.repeat(200)}6:yourip5:12345e`,
      ),
      [['extendedHandshake', { extensions: new Set(), uploadOnly: true, client: '\ufffd'.repeat(128) }]],
    ],
  ];
  for (const [title, bytes, calls = []] of ignored)
    test(title, async () => {
      const accepted = side.nextPeer();
      const raw = await RawPeer.to(side.port);
      raw.send(handshakeBytes(), bytes, frame(2));
      const { handler } = await accepted;
      await handler.called('interested');
      assert.deepEqual(handler.calls, [...calls, ['interested']]);
      raw.end();
      await handler.closed;
    });

  test('a handshake that withdraws an extension: nothing is sent to it any more', async () => {
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes(), extended('d1:md6:ut_pexi7eee'), extended('d1:md6:ut_pexi0eee'));
    const { connection, handler } = await accepted;
    await handler.called('extendedHandshake', 2);
    const before = raw.bytes.length;
    connection.extendedMessage('ut_pex', Uint8Array.of(1));
    connection.interested();
    const bytes = await raw.receive(before + 5);
    assert.deepEqual(bytes.subarray(-5), frame(2));
    assert.equal(bytes.includes(frame(20, [], Buffer.from([7, 1]))), false);
    raw.end();
  });
});

describe('before the handshake, an incoming connection is closed for', () => {
  let side: Side;
  before(async () => {
    side = await new Side().listen();
  });
  after(() => side.close());

  for (const [title, bytes] of [
    ['a frame instead of a handshake', frame(2)],
    ['a web browser', text('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['the key of an encrypted handshake', Buffer.alloc(96, 0xa5)],
    ['a protocol of another name', text(`\x13BitTorrent protocoX${'\0'.repeat(48)}`)],
    ['a torrent that we do not have', handshakeBytes({ infoHash: 'bb'.repeat(20) })],
    ['our own peer id', handshakeBytes({ seed: 1 })],
  ] as const)
    test(title, async () => {
      const raw = await RawPeer.to(side.port);
      raw.send(bytes);
      await raw.gone;
      assert.equal(side.connections.length, 0);
      assert.equal(side.slots.used, 0);
    });

  test('hanging up', async () => {
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes().subarray(0, 30));
    raw.socket.end();
    await raw.gone;
    assert.equal(side.slots.used, 0);
  });
});

describe('an outgoing handshake fails, once, when the other side', () => {
  const answers: readonly [title: string, bytes: Buffer | 'close', kind: string, says: RegExp][] = [
    [
      'answers for another torrent',
      handshakeBytes({ infoHash: 'bb'.repeat(20) }),
      'violation',
      /another torrent/,
    ],
    ['is ourselves', handshakeBytes({ seed: 2 }), 'self', /ourselves/],
    ['sends a frame first', frame(0), 'violation', /not a BitTorrent handshake/],
    ['hangs up', 'close', 'remote', /closed/],
  ];
  for (const [title, bytes, kind, says] of answers)
    test(title, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        if (bytes === 'close') socket.end();
        else socket.write(bytes);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const side = new Side();
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      const result = await side.dial(address.port);
      assert.ok('kind' in result);
      assert.equal(result.kind, kind);
      assert.match(result.text, says);
      assert.equal(side.slots.used + side.slots.halfOpen, 0);
      server.close();
    });

  test('is not there', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    server.close();
    await once(server, 'close');
    const result = await new Side().dial(address.port);
    assert.deepEqual(result, { kind: 'network', text: 'nothing listens there' });
  });

  test('is no address', async () => {
    for (const address of [
      { host: 'localhost', port: 80 },
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 65_536 },
    ]) {
      const result = await new Promise((resolve) => new Side().dialer.dial(address, identity(), resolve));
      assert.deepEqual(result, { kind: 'network', text: 'not an address to connect to' });
    }
  });
});

describe('deadlines', () => {
  test('cut a handshake that trickles in byte by byte', async () => {
    const clock = new ManualClock();
    const side = await new Side({ clock }).listen();
    const raw = await RawPeer.to(side.port);
    const bytes = handshakeBytes();
    let gone = false;
    void raw.gone.then(() => {
      gone = true;
    });
    let sent = 0;
    while (!gone && sent < bytes.length) {
      raw.send(bytes.subarray(sent, sent + 1));
      sent++;
      await new Promise(setImmediate);
      clock.advance(1_000);
      await new Promise(setImmediate);
    }
    await raw.gone;
    assert.ok(sent < 40, `cut after ${sent} bytes, one a second`);
    assert.equal(side.slots.used, 0);
    side.close();
  });

  test('cut who connects and says nothing for 8 s, though not who says something', async () => {
    const clock = new ManualClock();
    const side = await new Side({ clock }).listen();
    const [silent, slow] = [await RawPeer.to(side.port), await RawPeer.to(side.port)];
    slow.send(handshakeBytes().subarray(0, 48));
    await slow.receive(68);
    clock.advance(9_000);
    await silent.gone;
    const accepted = side.nextPeer();
    slow.send(handshakeBytes().subarray(48));
    await accepted;
    side.close();
  });

  test('cut a connection attempt, and a peer that accepts and says nothing', async () => {
    const clock = new ManualClock();
    const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const side = new Side({ clock });
    const attempt = side.dial(address.port);
    clock.advance(11_000); // before the system can report the connection
    assert.deepEqual(await attempt, { kind: 'timeout', text: 'no connection' });

    const accepted = once(server, 'connection');
    const silent = side.dial(address.port);
    const [socket] = await accepted;
    await once(socket, 'data'); // our handshake
    clock.advance(16_000);
    assert.deepEqual(await silent, { kind: 'timeout', text: 'no handshake' });
    assert.equal(clock.timerCount, 0, 'no timer is left');
    server.close();
  });

  test('keep a silent connection alive for two minutes, then close it', async () => {
    const clock = new ManualClock();
    const side = await new Side({ clock }).listen();
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    raw.send(handshakeBytes({ extended: false }));
    const { handler } = await accepted;
    await raw.receive(68);
    clock.advance(110_000);
    const bytes = await raw.receive(72);
    assert.deepEqual(bytes.subarray(68), Buffer.alloc(4), 'a keep-alive');
    raw.send(Buffer.alloc(4), frame(2));
    await handler.called('interested');
    // In steps: our own keep-alive has to leave meanwhile.
    for (let seconds = 0; seconds < 170; seconds += 10) {
      clock.advance(10_000);
      await new Promise(setImmediate);
    }
    assert.equal(handler.count('close'), 0);
    clock.advance(20_000);
    assert.equal((await handler.closed).kind, 'timeout');
    assert.equal(clock.timerCount, 0, 'no timer is left');
    side.close();
  });

  test('close a peer that takes nothing from us', async () => {
    const clock = new ManualClock();
    const side = await new Side({ clock }).listen();
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    raw.socket.pause();
    raw.send(handshakeBytes());
    const { connection, handler } = await accepted;
    let sent = 0;
    let flushed = 0;
    const frames = frame(7, [0, 0], Buffer.alloc(16_384));
    while (connection.bufferedBytes < 1_000_000) {
      for (let i = 0; i < 64; i++, sent++) connection.sendFrames(frames, () => flushed++);
      await new Promise(setImmediate);
    }
    for (let second = 0; second < 70; second++) {
      if (second % 60 === 0) {
        const before = handler.count('interested');
        raw.send(frame(2), frame(3));
        await handler.called('interested', before + 1);
      }
      clock.advance(1_000);
    }
    const reason = await handler.closed;
    assert.deepEqual(reason, { kind: 'timeout', text: 'took nothing from us for 60 s' });
    assert.ok(flushed < sent, 'some frames were waiting');
    raw.socket.resume();
    await raw.gone;
    assert.equal(flushed, sent, 'each is let go exactly once');
    side.close();
  });
});

test('a peer that reads slowly is not taken for one that does not read', async () => {
  const clock = new ManualClock();
  const side = await new Side({ clock }).listen();
  const [raw, connection] = await connectBoth(side, 'incoming');
  await raw.receive(68);
  raw.socket.removeAllListeners('data');
  raw.socket.pause();
  const handler = new Recorder();
  connection.handler = handler;
  let flushed = false;
  connection.sendFrames(Buffer.alloc(64 * 1024 * 1024), () => {
    flushed = true;
  });
  const read = async (bytes: number): Promise<void> => {
    raw.socket.resume();
    for (let got = 0; got < bytes; ) {
      const [chunk] = await once(raw.socket, 'data');
      got += chunk.length;
    }
    raw.socket.pause();
  };
  for (let minute = 0; minute < 6; minute++) {
    await read(6 * 1024 * 1024);
    raw.send(Buffer.alloc(4), frame(2));
    await handler.called('interested', minute + 1);
    clock.advance(60_000);
  }
  assert.equal(flushed, false, 'one write is still under way');
  assert.equal(handler.count('close'), 0);
  raw.end();
  side.close();
});

test('random bytes after the handshake are ignored or a violation, never a fault of ours', async () => {
  const side = await new Side().listen();
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .tuple(
        fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 20, 21, 99),
        fc.uint8Array({ maxLength: 40 }),
      )
      .map(([id, body]) => frame(id, [], body)),
    fc.uint8Array({ maxLength: 60 }).map((body) => frame(20, [], Buffer.concat([Buffer.alloc(1), body]))),
    fc.constantFrom(
      frame(0),
      frame(1),
      frame(2),
      frame(4, [1]),
      frame(6, [1, 0, 16]),
      frame(7, [1, 0], BLOCK),
    ),
  );
  const kinds = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 10 }), fc.boolean(), async (parts, fast) => {
      const accepted = side.nextPeer();
      const raw = await RawPeer.to(side.port);
      raw.send(handshakeBytes({ fast }), ...parts);
      raw.socket.end();
      const { handler } = await accepted;
      const { kind } = await handler.closed;
      kinds.add(kind);
      assert.ok(kind === 'violation' || kind === 'remote', kind);
    }),
    { numRuns: 200 },
  );
  assert.deepEqual([...kinds].sort(), ['remote', 'violation']);
  side.close();
});

describe('a peer that does not read', () => {
  for (const direction of ['incoming', 'outgoing'] as const)
    test(`is not read from while we owe it answers (${direction}), and gets all of them when it reads on`, async () => {
      const side = await new Side().listen();
      const [raw, connection] = await connectBoth(side, direction);
      await raw.receive(68);
      raw.socket.removeAllListeners('data');
      raw.socket.pause();
      let asked = 0;
      let most = 0;
      connection.handler = {
        ...NO_HANDLER,
        onRequest(piece, begin, length) {
          asked++;
          connection.reject(piece, begin, length);
          most = Math.max(most, connection.bufferedBytes);
        },
      };
      const burst = repeat(10_000, frame(6, [3, 0, 16_384]));
      let requests = 0;
      const ask = async (): Promise<void> => {
        raw.socket.write(burst);
        requests += 10_000;
        for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      };
      // First the kernel's buffers of both ways fill, however large they are here.
      while (connection.bufferedBytes <= 65 * 1024 && requests < 10_000_000) await ask();
      const stalledAt = asked;
      for (let i = 0; i < 20; i++) await ask();
      assert.equal(asked, stalledAt, 'it reads no further');
      assert.ok(most < 640 * 1024, `${most} bytes waited for the peer at most`);
      let answered = 0;
      raw.socket.on('data', (chunk) => {
        answered += chunk.length;
      });
      raw.socket.resume();
      while (answered < requests * 17) await once(raw.socket, 'data');
      assert.equal(asked, requests);
      assert.equal(answered, requests * 17);
      raw.end();
      side.close();
    });

  test('is closed when what we have to tell it piles up', async () => {
    const side = await new Side().listen();
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    raw.socket.pause();
    raw.send(handshakeBytes());
    const { connection, handler } = await accepted;
    let most = 0;
    for (let i = 0; i < 10_000_000 && handler.count('close') === 0; i++) {
      connection.have(asPiece(i % PIECES));
      most = Math.max(most, connection.bufferedBytes);
    }
    const reason = await handler.closed;
    assert.equal(reason.kind, 'violation');
    assert.ok(most < 1_100_000, `${most} bytes waited at most`);
    raw.end();
    side.close();
  });
});

test('bytes behind the handshake in one chunk, and a handshake in two, are not lost', async () => {
  const side = await new Side().listen();
  for (const cut of [1, 20, 47, 48, 67]) {
    const accepted = side.nextPeer();
    const raw = await RawPeer.to(side.port);
    const bytes = handshakeBytes();
    raw.send(bytes.subarray(0, cut));
    await new Promise(setImmediate);
    raw.send(bytes.subarray(cut), frame(5, [], FULL), frame(2));
    const { connection, handler } = await accepted;
    await handler.called('interested');
    assert.deepEqual(handler.calls, [['bitfield', 'fffff8', PIECES], ['interested']]);
    assert.equal(connection.fast, true);
    raw.end();
    await handler.closed;
  }
  side.close();
});

test('the info-hash alone is answered, before the peer id comes', async () => {
  const side = await new Side().listen();
  const raw = await RawPeer.to(side.port);
  raw.send(handshakeBytes().subarray(0, 48));
  const answer = await raw.receive(68);
  assert.equal(answer.subarray(28, 48).toString('hex'), INFO_HASH);
  raw.end();
  side.close();
});

test('a connection that its owner does not take is closed', async () => {
  const side = await new Side().listen();
  side.listener.register(identity(), () => {});
  const raw = await RawPeer.to(side.port);
  raw.send(handshakeBytes());
  await raw.gone;
  assert.equal(side.slots.used, 0);
  side.close();
});

test('an owner that closes during a call hears nothing more, though the chunk holds more', async () => {
  const side = await new Side().listen();
  const handler = new Recorder();
  side.listener.register(identity(), (connection) => {
    connection.handler = handler;
    handler.onCall = (name) => {
      if (name === 'have') connection.close('enough');
    };
  });
  const raw = await RawPeer.to(side.port);
  raw.send(handshakeBytes(), frame(2), frame(4, [1]), frame(4, [2]), frame(7, [1, 0], BLOCK));
  await handler.closed;
  await raw.gone;
  assert.deepEqual(handler.calls, [['interested'], ['have', 1], ['close', 'local']]);
  side.close();
});

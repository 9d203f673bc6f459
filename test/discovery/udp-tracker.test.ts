import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { formatAnnounce, parseHeader } from '../../engine/discovery/udp-packets.js';
import { UdpTrackerSockets } from '../../engine/discovery/udp-tracker.js';
import { SwarmError } from '../../engine/errors.js';
import type { PeerAddress } from '../../engine/units.js';
import { announceRequest, ManualClock, NO_IPV6, until } from './helpers.js';

const CONNECTION_ID = Buffer.from('1122334455667788', 'hex');
const closers: (() => void)[] = [];
let clock: ManualClock;
let sockets: UdpTrackerSockets;

beforeEach(() => {
  clock = new ManualClock();
  sockets = new UdpTrackerSockets({ clock });
});
afterEach(() => {
  sockets.close();
  for (const close of closers.splice(0)) close();
  assert.equal(clock.pending, 0, 'no timer is left behind');
});

interface Query {
  readonly packet: Buffer;
  readonly action: number;
  readonly transactionId: number;
  /** To whoever asked, from the tracker's own port unless told otherwise. */
  reply(packet: Uint8Array, from?: Socket, sent?: () => void): void;
}

type Behaviour = (query: Query) => void;

async function bound(type: 'udp4' | 'udp6', host: string): Promise<Socket> {
  const socket = createSocket(type);
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  closers.push(() => socket.close());
  return socket;
}

/** A tracker at port 0; every query is kept and given to `behaviour`. */
async function tracker(behaviour: Behaviour, type: 'udp4' | 'udp6' = 'udp4') {
  const host = type === 'udp4' ? '127.0.0.1' : '::1';
  const socket = await bound(type, host);
  const queries: Query[] = [];
  const state = { behaviour };
  socket.on('message', (packet: Buffer, peer: RemoteInfo) => {
    const query: Query = {
      packet,
      action: packet.readUInt32BE(8),
      transactionId: packet.readUInt32BE(12),
      reply: (answer, from = socket, sent = () => {}) => from.send(answer, peer.port, peer.address, sent),
    };
    queries.push(query);
    state.behaviour(query);
  });
  const address: PeerAddress = { host, port: socket.address().port };
  return { address, queries, state, socket, actions: () => queries.map(({ action }) => action).join('') };
}

function packet(action: number, transactionId: number, ...rest: (number | Uint8Array)[]): Buffer {
  const parts = [action, transactionId, ...rest].map((part) => {
    if (typeof part !== 'number') return part;
    const word = Buffer.alloc(4);
    word.writeUInt32BE(part >>> 0);
    return word;
  });
  return Buffer.concat(parts);
}

const connected = (query: Query): Buffer => packet(0, query.transactionId, CONNECTION_ID);
const PEERS4 = Buffer.from([1, 2, 3, 4, 0, 80, 5, 6, 7, 8, 0, 0, 9, 9, 9, 9, 0, 81, 1, 2]);

const honest: Behaviour = (query) => {
  const { action, transactionId } = query;
  if (action === 0) query.reply(connected(query));
  if (action === 1) query.reply(packet(1, transactionId, 1_800, 7, 3, PEERS4));
  if (action === 2) query.reply(packet(2, transactionId, 3, 99, 7));
};

const signal = () => new AbortController().signal;
const announce = (address: PeerAddress, urlData = '', abort: AbortSignal = signal()) =>
  sockets.announce(address, announceRequest(), urlData, abort);

describe('UDP announce', { timeout: 10_000 }, () => {
  it('connects, announces every field, and reads the answer', async () => {
    const { address, queries, actions } = await tracker(honest);
    const answer = await announce(address);
    assert.deepEqual(answer, {
      intervalSeconds: 1_800,
      minIntervalSeconds: null,
      leechers: 7,
      seeders: 3,
      peers: [
        { host: '1.2.3.4', port: 80 },
        { host: '9.9.9.9', port: 81 },
      ],
      warning: null,
      externalIp: null,
    });
    assert.equal(actions(), '01');
    const [connect, request] = queries;
    assert.equal(connect?.packet.subarray(0, 12).toString('hex'), '000004172710198000000000');
    assert.equal(connect?.packet.length, 16);
    assert(connect?.transactionId !== request?.transactionId);
    const fields = request?.packet ?? assert.fail();
    assert.equal(fields.length, 98);
    assert.deepEqual(fields.subarray(0, 8), CONNECTION_ID);
    const { infoHash, peerId } = announceRequest();
    assert.deepEqual(fields.subarray(16, 56), Buffer.concat([infoHash, peerId]));
    assert.equal(
      fields.subarray(56).toString('hex'),
      '0000000000000002' +
        '0000000000000003' +
        '0000000000000001' +
        '00000002' +
        '00000000' +
        'deadbeef' +
        '00000032' +
        '1ae1',
    );
  });

  it('reads 18-byte peers over IPv6', { skip: NO_IPV6 }, async () => {
    const peer = Buffer.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 81]);
    const { address } = await tracker((query) => {
      if (query.action === 0) query.reply(connected(query));
      else query.reply(packet(1, query.transactionId, 60, 0, 1, peer));
    }, 'udp6');
    assert.deepEqual((await announce(address)).peers, [{ host: '2001:db8::9', port: 81 }]);
  });

  it('sends path and query as options of at most 255 bytes, and none that would not fit', () => {
    const options = (urlData: string): string =>
      Buffer.from(formatAnnounce(CONNECTION_ID, 1, announceRequest(), urlData).subarray(98)).toString(
        'latin1',
      );
    assert.equal(options(''), '');
    assert.equal(options('/dir?a=b&c=d'), '\x02\x0c/dir?a=b&c=d');
    const long = `/${'x'.repeat(299)}`;
    assert.equal(options(long), `\x02\xff${long.slice(0, 255)}\x02\x2d${long.slice(255)}`);
    assert.equal(options('/'.repeat(2_000)), '');
  });

  it('keeps a connection id for a minute and asks again after it', async () => {
    const { address, actions } = await tracker(honest);
    await announce(address);
    clock.pass(59_999);
    await announce(address);
    assert.equal(actions(), '011');
    clock.pass(1);
    await announce(address);
    assert.equal(actions(), '01101');
  });

  it('sends again after 15, 30, 60 seconds, the same packet, until it is told to end', async () => {
    const { address, queries } = await tracker(() => {});
    const controller = new AbortController();
    const done = announce(address, '', controller.signal);
    const sent: number[] = [];
    let passed = 0;
    for (const wait of [0, 15, 30, 60]) {
      clock.pass(wait * 1_000 - (wait === 0 ? 0 : 1));
      assert.equal(queries.length, sent.length);
      clock.pass(wait === 0 ? 0 : 1);
      passed += wait;
      await until(() => queries.length === sent.length + 1);
      sent.push(passed);
    }
    assert.deepEqual(sent, [0, 15, 45, 105]);
    assert.equal(new Set(queries.map((query) => query.packet.toString('hex'))).size, 1);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(done, reason);
  });

  it('gets a fresh connection id when a remembered one gets no answer, or an error', async () => {
    for (const stale of ['silent', 'error']) {
      const { address, state, actions } = await tracker(honest);
      await announce(address);
      state.behaviour = (query) => {
        if (query.action === 0) state.behaviour = honest;
        if (stale === 'error' || query.action === 0)
          query.reply(
            query.action === 0
              ? connected(query)
              : packet(3, query.transactionId, Buffer.from('bad connection id')),
          );
      };
      const done = announce(address);
      await until(() => actions() === '011' || actions().length > 3);
      if (stale === 'silent') clock.pass(15_000);
      assert.equal((await done).seeders, 3);
      assert.equal(actions(), '01101');
    }
  });

  it('passes on the text of an error, bounded, at connect and at announce', async () => {
    for (const at of [0, 1]) {
      const { address } = await tracker((query) => {
        if (query.action < at) query.reply(connected(query));
        else query.reply(packet(3, query.transactionId, Buffer.from(`go away \x1b[2J${'x'.repeat(5_000)}`)));
      });
      await assert.rejects(
        announce(address),
        (error) =>
          error instanceof SwarmError &&
          error.code === 'TRACKER_REFUSED' &&
          error.message.includes('go away') &&
          error.message.length < 300,
      );
    }
  });

  it('drops packets of the wrong transaction, port, action or size, and takes the right one after them', async () => {
    const stranger = await bound('udp4', '127.0.0.1');
    const { address } = await tracker((query) => {
      const { transactionId } = query;
      const good = query.action === 0 ? connected(query) : packet(1, transactionId, 60, 0, 1, PEERS4);
      const evil = query.action === 0 ? packet(0, transactionId, 6, 6) : packet(1, transactionId, 666, 6, 6);
      query.reply(packet(query.action, transactionId ^ 1, 6, 6, 6));
      query.reply(packet(3, transactionId ^ 1, Buffer.from('no')));
      query.reply(evil, stranger);
      query.reply(packet(2, transactionId, 6, 6, 6));
      query.reply(packet(77, transactionId, 6, 6, 6));
      for (let bytes = 0; bytes < 8; bytes++) query.reply(good.subarray(0, bytes));
      query.reply(packet(3, transactionId, Buffer.from('no')), stranger, () => query.reply(good));
    });
    assert.equal((await announce(address)).intervalSeconds, 60);
  });

  it('refuses answers that are cut', async () => {
    for (const [at, bytes] of [
      [0, 8],
      [0, 15],
      [1, 8],
      [1, 19],
    ] as const) {
      const { address } = await tracker((query) => {
        const { transactionId } = query;
        const good = query.action === 0 ? connected(query) : packet(1, transactionId, 60, 0, 1);
        query.reply(query.action === at ? good.subarray(0, bytes) : good);
      });
      await assert.rejects(announce(address), { code: 'TRACKER_BAD_ANSWER' });
    }
  });

  it('takes counts beyond 2^31 for unknown, an absurd interval as it is, and at most 200 peers', async () => {
    const { address } = await tracker((query) => {
      if (query.action === 0) query.reply(connected(query));
      else
        query.reply(
          packet(1, query.transactionId, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 31, Buffer.alloc(60_000, 1)),
        );
    });
    const { intervalSeconds, seeders, leechers, peers } = await announce(address);
    assert.deepEqual([intervalSeconds, seeders, leechers, peers.length], [-1, null, null, 200]);
  });

  it('ends with the signal, before and during, and drops what comes late', async () => {
    let answer = (): void => assert.fail('no query came');
    const { address, queries } = await tracker((query) => {
      answer = () => query.reply(connected(query));
    });
    const reason = new Error('stopped');
    await assert.rejects(announce(address, '', AbortSignal.abort(reason)), reason);
    assert.equal(queries.length, 0);
    const controller = new AbortController();
    const done = announce(address, '', controller.signal);
    await until(() => queries.length === 1);
    controller.abort(reason);
    await assert.rejects(done, reason);
    answer();
    const other = await tracker(honest);
    await announce(other.address); // arrives after the late packet on the same socket
    assert.equal(queries.length, 1);
  });

  it('ends everything when closed, twice, and takes nothing more', async () => {
    const { address, queries } = await tracker(() => {});
    const done = announce(address);
    await until(() => queries.length === 1);
    const closed = { code: 'CLOSED' };
    sockets.close();
    sockets.close();
    await assert.rejects(done, closed);
    await assert.rejects(announce(address), closed);
  });

  it('bounds the exchanges under way', async () => {
    const { address } = await tracker(() => {});
    const many = Array.from({ length: 1_100 }, () => announce(address));
    sockets.close();
    const outcomes = await Promise.allSettled(many);
    const codes = outcomes.map((each) => (each.status === 'rejected' ? each.reason.code : 'answered'));
    assert.equal(codes.filter((code) => code === 'CLOSED').length, 1_024);
    assert.equal(codes.filter((code) => code === 'TRACKER_UNREACHABLE').length, 1_100 - 1_024);
  });

  it('serves many torrents at once over one socket', async () => {
    const ports = new Set<number>();
    const { address, socket } = await tracker(honest);
    socket.on('message', (_packet, peer) => ports.add(peer.port));
    await Promise.all(Array.from({ length: 50 }, () => announce(address)));
    assert.equal(ports.size, 1);
  });

  it('fails, rather than waits, where the network has no way', async () => {
    await assert.rejects(announce({ host: '255.255.255.255', port: 9 }), { code: 'TRACKER_UNREACHABLE' });
  });
});

describe('UDP scrape', { timeout: 10_000 }, () => {
  it('reads the numbers of the swarm', async () => {
    const { address, queries } = await tracker(honest);
    const { infoHash } = announceRequest();
    assert.deepEqual(await sockets.scrape(address, infoHash, signal()), {
      seeders: 3,
      downloads: 99,
      leechers: 7,
    });
    assert.deepEqual(queries[1]?.packet.subarray(16), infoHash);
  });

  it('refuses a cut answer', async () => {
    const { address } = await tracker((query) =>
      query.reply(query.action === 0 ? connected(query) : packet(2, query.transactionId, 1)),
    );
    await assert.rejects(sockets.scrape(address, announceRequest().infoHash, signal()), {
      code: 'TRACKER_BAD_ANSWER',
    });
  });
});

describe('UDP packets', () => {
  it('have no header below 8 bytes', () => {
    assert.equal(parseHeader(Buffer.alloc(7)), undefined);
    assert.deepEqual(parseHeader(packet(3, 0xffffffff)), { action: 3, transactionId: 0xffffffff });
  });
});

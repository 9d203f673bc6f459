import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DhtService, type DhtServiceOptions } from '../../engine/dht-service.js';
import { decodeBencode } from '../../engine/metainfo/bencode.js';
import { secretBytes, systemClock, systemRng } from '../../engine/system.js';
import { asInfoHash, type PeerAddress } from '../../engine/units.js';
import { LoopbackDht } from '../support/loopback-dht.js';
import { until } from '../support/real-clients.js';

const SAVED = { version: 1, v4: { id: '5a'.repeat(20), nodes: [['a5'.repeat(20), '127.0.0.1', 9]] } };

async function stateFolder(t: TestContext, state: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'swarm-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'dht.json'), JSON.stringify(state));
  return folder;
}

const TOTALS = { uploadedBytes: 0, downloadedBytes: 0, leftBytes: 1, isPartialSeed: false };

const serviceOf = (stateDir: string, options: Partial<DhtServiceOptions> = {}): DhtService =>
  new DhtService({
    ...{ clock: systemClock, rng: systemRng, secretBytes, stateDir, bootstrap: [], bound: undefined },
    resolve: () => Promise.resolve([]),
    listenHost: '127.0.0.1',
    port: () => 0,
    announcedPort: () => 0,
    isUnreachable: () => false,
    log: (_level, text) => assert.fail(text),
    ...options,
  });

/** An open node of that state folder. */
async function openNode(
  t: TestContext,
  stateDir: string,
  options: Partial<DhtServiceOptions> = {},
  early: readonly PeerAddress[] = [],
): Promise<DhtService> {
  const service = serviceOf(stateDir, options);
  for (const address of early) service.addNode(address, 'stranger');
  const source = service.sourceOf(asInfoHash('ab'.repeat(20)), () => TOTALS);
  t.after(async () => {
    await source.stop(0);
    await service.close();
  });
  await new Promise<void>((resolve) => source.start({ onPeers: () => {}, onStatus: resolve }));
  return service;
}

/** What it answers to a ping (BEP 5). */
async function idOf({ port }: DhtService): Promise<string> {
  const socket = createSocket('udp4');
  try {
    socket.send(`d1:ad2:id20:${'q'.repeat(20)}e1:q4:ping1:t2:aa1:y1:qe`, port, '127.0.0.1');
    for (;;) {
      const [packet] = (await once(socket, 'message')) as [Buffer];
      const answer = decodeBencode(packet);
      const values = answer instanceof Map ? answer.get('r') : undefined;
      const id = values instanceof Map ? values.get('id') : undefined;
      if (id instanceof Uint8Array) return Buffer.from(id).toString('hex');
    }
  } finally {
    socket.close();
  }
}

const stateOf = async (folder: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(folder, 'dht.json'), 'utf8')) as Record<string, unknown>;

test('a second node of a state folder takes ids of its own, and leaves those of the first where they are', async (t) => {
  const folder = await stateFolder(t, SAVED);
  const first = await openNode(t, folder);
  const second = await openNode(t, folder);
  assert.equal(await idOf(first), SAVED.v4.id);
  assert.notEqual(await idOf(second), SAVED.v4.id);
  await second.close();
  const { openAt, ...open } = await stateOf(folder);
  assert.deepEqual(open, { ...SAVED, openBy: process.pid });
  assert.ok(Math.abs(Number(openAt) - Date.now()) < 60_000);
  await first.close();
  assert.deepEqual(await stateOf(folder), SAVED);
  assert.equal(await idOf(await openNode(t, folder)), SAVED.v4.id);
});

test('the ids of a process that runs are its own, those of one that was killed are free', async (t) => {
  const running = await stateFolder(t, { ...SAVED, openBy: process.ppid });
  assert.notEqual(await idOf(await openNode(t, running)), SAVED.v4.id);
  for (const openBy of [2 ** 30, -1, 0, 1.5, 'x', null]) {
    const killed = await stateFolder(t, { ...SAVED, openBy });
    assert.equal(await idOf(await openNode(t, killed)), SAVED.v4.id);
  }
});

test('a number of a process is believed since the machine was started only', async (t) => {
  const openBy = process.ppid;
  for (const [openAt, isFree] of [
    [1_000_000, true],
    [Date.now(), false],
    ['x', false],
  ] as const) {
    const folder = await stateFolder(t, { ...SAVED, openBy, openAt });
    assert.equal((await idOf(await openNode(t, folder))) === SAVED.v4.id, isFree, `${openAt}`);
  }
});

test('opens, and keeps a good file, whatever was in the old one', async (t) => {
  const deep = '['.repeat(100_000);
  const node = ['a5'.repeat(20), '127.0.0.1', 9];
  const odd: unknown[] = [
    ...[null, [], 7, 'x', { version: 2 }, { ...SAVED, v4: null }, { ...SAVED, v4: [] }, { ...SAVED, v6: 7 }],
    ...['', '5a', 'zz'.repeat(20), 7, null].map((id) => ({ version: 1, v4: { id, nodes: [] } })),
    ...[null, {}, 'x', [null], [[]], [7], [['a5'.repeat(20)]], [[...node, {}]]].map((nodes) => ({
      version: 1,
      v4: { ...SAVED.v4, nodes },
    })),
    ...[-1, 0, 65_536, 1.5, '9', null].map((port) => ({
      version: 1,
      v4: { ...SAVED.v4, nodes: [['a5'.repeat(20), '127.0.0.1', port]] },
    })),
    ...['name.example', '::1', '0.0.0.0', '', null, 7].map((host) => ({
      version: 1,
      v4: { ...SAVED.v4, nodes: [['a5'.repeat(20), host, 9]] },
    })),
    { version: 1, v4: { ...SAVED.v4, nodes: Array.from({ length: 5_000 }, () => node) } },
    { ...SAVED, openBy: {}, openAt: [] },
  ];
  const texts = [...odd.map((state) => JSON.stringify(state)), '', '\0', '{', deep, `{"x":${deep}`];
  for (const text of [...texts, '{"__proto__":{"openBy":1}}', `{"x":"${'y'.repeat(600_000)}"}`]) {
    const folder = await stateFolder(t, {});
    await writeFile(join(folder, 'dht.json'), text);
    const service = await openNode(t, folder);
    const shown = text.slice(0, 100);
    assert.equal((await idOf(service)).length, 40, shown);
    assert.ok((await stat(join(folder, 'dht.json'))).size < 512 * 1024, shown);
    await service.close();
    assert.equal(typeof (await stateOf(folder)), 'object', shown);
  }
});

test('entry points may be named, and their names are looked up as all others are', async (t) => {
  const entry = await openNode(t, await stateFolder(t, {}));
  const asked: string[] = [];
  const node = await openNode(t, await stateFolder(t, {}), {
    bootstrap: [
      { host: 'entry.example', port: entry.port },
      { host: 'nobody.example', port: 1 },
    ],
    resolve: async (name) => {
      asked.push(name);
      if (name === 'nobody.example') throw new Error('no such name');
      return ['127.0.0.1'];
    },
  });
  await until('they know each other', () => node.snapshot().nodes4 === 1 && entry.snapshot().nodes4 === 1);
  assert.deepEqual(asked.sort(), ['entry.example', 'nobody.example']);
});

test('asks the entry points also where peers have named nodes before: those may be in league', async (t) => {
  const named = await openNode(t, await stateFolder(t, {}));
  const asked: string[] = [];
  const options = {
    bootstrap: [{ host: 'entry.example', port: 1 }],
    resolve: async (name: string) => {
      asked.push(name);
      return [];
    },
  };
  const early = [{ host: '127.0.0.1', port: named.port }];
  const node = await openNode(t, await stateFolder(t, {}), options, early);
  await until('they know each other', () => node.snapshot().nodes4 === 1);
  assert.deepEqual(asked, ['entry.example']);
});

test('started again on what it kept, of which a third is gone, it finds peers within a second', async (t) => {
  const dht = await LoopbackDht.start(60);
  t.after(() => dht.close());
  const infoHash = 'cd'.repeat(20);
  const told = await new Promise<number>((resolve) =>
    dht.nodes[1]?.lookUpPeers({
      infoHash: Buffer.from(infoHash, 'hex'),
      onPeers: () => {},
      announce: { port: 4_567, implied: false, seed: true },
      onDone: resolve,
    }),
  );
  assert.ok(told > 0);
  const folder = await stateFolder(t, {});
  const first = await openNode(t, folder, { bootstrap: [{ host: '127.0.0.1', port: dht.port }] });
  await until('it knows its neighbours', () => {
    const { nodes4, lookups } = first.snapshot();
    return nodes4 >= 20 && lookups === 0;
  });
  await first.close();
  dht.kill(0.3);

  // The middle one of three: the machine may have been busy with something else.
  const took: number[] = [];
  for (let restart = 0; restart < 3; restart++) {
    const service = serviceOf(folder);
    const source = service.sourceOf(asInfoHash(infoHash), () => TOTALS);
    const startedAt = performance.now();
    const [peer] = await new Promise<readonly PeerAddress[]>((resolve) =>
      source.start({ onPeers: resolve, onStatus: () => {} }),
    );
    took.push(performance.now() - startedAt);
    assert.deepEqual(peer, { host: '127.0.0.1', port: 4_567 });
    await source.stop(0);
    await service.close();
  }
  const [, median = 0] = took.sort((a, b) => a - b);
  assert.ok(median <= 1_000, `${took.map(Math.round).join(', ')} ms`);
});

/** Hostile trackers: what they answer is bounded, and leads nobody to where they have no business. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { spawnCli } from '../support/cli.js';
import { HOST } from './attacker.js';
import { Battlefield, peerOf, portOf } from './battlefield.js';

const KIB = 1024;
const EVIL = '\x1b]52;c;ZXZpbA==\x07\x9b2J\r{red-fg}\u202egnp.exe';

async function httpTracker(field: Battlefield, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, HOST);
  await once(server, 'listening');
  field.scope.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://${HOST}:${typeof address === 'object' && address !== null ? address.port : 0}/announce`;
}

const compact = (peers: readonly { host: string; port: number }[]): Buffer =>
  Buffer.concat(
    peers.map(({ host, port }) => Buffer.from([...host.split('.').map(Number), port >>> 8, port & 0xff])),
  );

function answerWith(peers: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`d8:intervali1800e5:peers${peers.length}:`), peers, Buffer.from('e')]);
}

test('our own address, port 0 and a hundred thousand others: the real peer among the first is found', {
  timeout: 30_000,
}, async (t) => {
  const field = await Battlefield.make(t, { bytes: 512 * KIB });
  const seed = await field.seed();
  const leech = await field.engine();
  const peers = compact([
    { host: HOST, port: portOf(leech) },
    { host: HOST, port: 0 },
    { host: '0.0.0.0', port: 80 },
    { host: '255.255.255.255', port: 80 },
    { host: '224.0.0.1', port: 80 },
    peerOf(seed),
  ]);
  const many = Buffer.concat([peers, Buffer.alloc(6 * 100_000)]);
  const url = await httpTracker(field, (_request, response) => response.end(answerWith(many)));
  const torrent = leech.add(field.torrentFile, { out: field.out(leech), trackers: [url] });
  let told = 0;
  torrent.onEvent((event) => {
    if (event.type === 'peers-found') told += event.count;
  });
  await torrent.completed;
  await field.assertDownloaded(leech);
  assert.ok(told <= 200, `${told} peers`);
});

test('an answer that comes after the torrent was stopped changes nothing', { timeout: 30_000 }, async (t) => {
  const field = await Battlefield.make(t, { bytes: 64 * KIB });
  const leech = await field.engine();
  let answer: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    void httpTracker(field, (_request, response) => {
      answer = () => response.end(answerWith(compact([{ host: HOST, port: 9 }])));
      resolve();
    }).then((url) => {
      leech.add(field.torrentFile, { out: field.out(leech), trackers: [url] });
    });
  });
  await asked;
  const [torrent] = leech.torrents;
  assert.ok(torrent !== undefined);
  const events: string[] = [];
  torrent.onEvent(({ type }) => events.push(type));
  const stopped = torrent.stop();
  answer();
  await stopped;
  assert.ok(!events.includes('peers-found'), events.join());
  assert.equal(leech.torrents.length, 0);
});

async function getCommand(t: TestContext, flags: readonly string[]) {
  const field = await Battlefield.make(t, { bytes: 512 * KIB });
  const torrentFile = join(field.base, 'x.torrent');
  await writeFile(torrentFile, field.torrentFile);
  const seed = await field.seed();
  const url = await httpTracker(field, (_request, response) => {
    const reason = Buffer.from(EVIL);
    response.end(
      Buffer.concat([Buffer.from(`d14:failure reason${reason.length}:`), reason, Buffer.from('e')]),
    );
  });
  const { host, port } = peerOf(seed);
  return spawnCli([
    ...['get', torrentFile, '--out', join(field.base, 'get'), '--listen', `${HOST}:0`],
    ...['--tracker', url, '--peer', `${host}:${port}`, ...flags],
  ]).ended;
}

for (const flags of [[], ['--json']])
  test(`the reason of a refusal cannot drive the terminal of swarm get ${flags.join()}`, {
    timeout: 30_000,
  }, async (t) => {
    const { code, stdout, stderr } = await getCommand(t, flags);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });

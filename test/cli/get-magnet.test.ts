/** `swarm get` with magnet links, info-hashes and URLs, as a program. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Attacker } from '../hostile/attacker.js';
import { type Json, jsonLines, summaryIn } from '../support/cli.js';
import { CommandLab, type LabTorrent } from '../support/command-lab.js';
import { freePort } from '../support/free-port.js';

const HOST = '127.0.0.1';
/** Nobody has it. */
const NEVER = 'ab'.repeat(20);

const linkOf = ({ metainfo }: LabTorrent): string => `magnet:?xt=urn:btih:${metainfo.infoHash}`;
const typesOf = (stdout: string): unknown[] => jsonLines(stdout).map(({ type }) => type);
const base32 = (hex: string): string =>
  [...BigInt(`0x${hex}`).toString(32).padStart(32, '0')]
    .map((digit) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(digit, 32)])
    .join('');

describe('swarm get with a magnet link', { concurrency: 3, timeout: 60_000 }, () => {
  test('fetches what it names and says so, and needs no peer to know it again', async (t) => {
    const lab = await CommandLab.create(t);
    const tracker = await lab.tracker();
    const album = await lab.torrentOf('album', { 'cd/one': 90_000, 'cd/two': 5 }, tracker);
    await lab.seed([album]);
    const link = `${linkOf(album)}&dn=album&tr=${encodeURIComponent(tracker)}`;
    const { stdout, stderr } = await lab.expect(0, ['get', link]);
    assert.equal(stdout, '');
    assert.match(stderr, /downloading album, 87\.9 KiB in 6 pieces → \.\/album\/\ncomplete album: /);
    await lab.assertGot(album);

    const again = await lab.expect(0, ['get', album.metainfo.infoHash, '--timeout', '30s', '--json']);
    assert.equal(summaryIn(again.stdout).downloadedBytes, 0);
    assert.equal(again.stderr, 'complete album: 87.9 KiB, was here already\n');
    assert.ok(!typesOf(again.stdout).includes('peer-connected'));
  });

  test('or a bare info-hash in hex or base32, in capitals or not', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 50_000);
    const peer = await lab.seed([film]);
    const { infoHash } = film.metainfo;
    const hashes = [infoHash.toUpperCase(), base32(infoHash), base32(infoHash).toLowerCase()];
    for (const [i, source] of hashes.entries()) {
      const out = join(lab.here, String(i));
      const env = { XDG_STATE_HOME: join(lab.folder, `state ${i}`) };
      await lab.expect(0, ['get', source, '--peer', peer, '--out', out], { env });
      await lab.assertGot(film, out);
    }
  });

  test('fetches the files that the link chooses, or those that --files does instead', async (t) => {
    const lab = await CommandLab.create(t);
    const album = await lab.torrentOf('album', { a: 16_384, b: 32_768, c: 32_768, d: 16_384 });
    const peer = await lab.seed([album]);
    const got = (out: string) => ['a', 'b', 'c', 'd'].filter((name) => existsSync(join(out, 'album', name)));
    const get = async (name: string, ...argv: string[]) => {
      const out = join(lab.here, name);
      const { stdout } = await lab.expect(0, ['get', ...argv, '--peer', peer, '--out', out, '--json']);
      return { got: got(out), bytes: summaryIn(stdout).wantedBytes };
    };
    assert.deepEqual(await get('so', `${linkOf(album)}&so=0,3-9`), { got: ['a', 'd'], bytes: 32_768 });
    assert.deepEqual(await get('files', `${linkOf(album)}&so=0`, '--files', 'c'), {
      got: ['c'],
      bytes: 32_768,
    });
    const none = await lab.expect(2, ['get', `${linkOf(album)}&so=7`, '--peer', peer]);
    assert.match(none.stderr, /chooses files \(so=\) that are not there: the torrent has 4 files, 0 to 3/);
    await lab.expect(2, ['get', linkOf(album), '--files', '9', '--peer', peer]);
  });

  test('meets the peers that the link names, and passes over what is no address or tracker', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 50_000);
    const peer = await lab.seed([film]);
    const odd =
      '&x.pe=nowhere&x.pe=1.2.3.4:99999&x.pe=no.such.invalid:1&tr=nonsense&tr=wss%3A%2F%2Ft.invalid&tr=%zz&x.pe=';
    const named = peer.replace(HOST, 'localhost');
    await lab.expect(0, ['get', `${linkOf(film)}${odd}${encodeURIComponent(named)}`]);
    await lab.assertGot(film);
  });

  test('tells its --json events in order', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 50_000);
    const peer = await lab.seed([film]);
    const { stdout } = await lab.expect(0, ['get', `${linkOf(film)}&dn=some+name`, '--peer', peer, '--json']);
    const events = jsonLines(stdout).filter(
      ({ type }) => type !== 'progress' && type !== 'peer-disconnected',
    );
    assert.deepEqual(
      events.map(({ type }) => type),
      [
        'searching',
        'peer-connected',
        'metadata',
        'added',
        'checked',
        'peer-connected',
        'complete',
        'summary',
      ],
    );
    const { infoHash } = film.metainfo;
    assert.deepEqual(events[0], { type: 'searching', infoHash, name: 'some name' });
    assert.deepEqual(events[2], { type: 'metadata', name: 'film', totalBytes: 50_000, infoHash });
  });

  test('gives up with 4 when nothing comes for --timeout, saying what it waits for', async (t) => {
    const lab = await CommandLab.create(t);
    const alone = await lab.expect(4, ['get', NEVER, '--timeout', '1s', '--json']);
    assert.match(
      alone.stderr,
      /nothing arrived for 1s: no tracker and no peers, and the DHT is switched off: add --tracker or --peer/,
    );
    assert.equal(jsonLines(alone.stdout).at(-1)?.code, 'PEERS_NONE');
    const tracker = await lab.expect(4, ['get', NEVER, '--timeout', '2s', '--tracker', await lab.tracker()]);
    assert.match(tracker.stderr, /searching abab\w+: a link has no list of files, peers have to send it/);
    assert.match(tracker.stderr, /nothing arrived for 2s: .*tracker/);
  });

  test('says where to look when the DHT does not answer', async (t) => {
    const lab = await CommandLab.create(t);
    const silent = createSocket('udp4').bind(0, HOST);
    await once(silent, 'listening');
    t.after(() => silent.close());
    const node = `${HOST}:${silent.address().port}`;
    const { stderr } = await lab.expect(4, ['get', NEVER, '--timeout', '6s', '--dht-bootstrap', node]);
    assert.match(stderr, /the DHT does not answer: add --tracker or --peer/);
    assert.match(stderr, /UDP.*swarm doctor/);
  });

  test('does so although somebody comes and goes without end', async (t) => {
    const lab = await CommandLab.create(t);
    const port = await freePort();
    const running = lab.start(['get', NEVER, '--timeout', '2s', '--listen', `${HOST}:${port}`, '--json']);
    let over = false;
    const ended = running.ended.finally(() => {
      over = true;
    });
    let met = 0;
    while (!over) {
      const attacker = await Attacker.to(port, NEVER);
      await attacker.shaken;
      if (!attacker.isGone) met++;
      await new Promise((resolve) => setTimeout(resolve, 100));
      attacker.end();
    }
    assert.equal((await ended).code, 4);
    assert.ok(met > 2, `${met} connections`);
  });

  test('leaves with 130 when interrupted while it searches', async (t) => {
    const lab = await CommandLab.create(t);
    const running = lab.start(['get', NEVER, 'cd'.repeat(20), '--json']);
    await running.event('searching', ({ infoHash }) => infoHash !== NEVER);
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 130);
    assert.match(stderr, /stopped before any peer told what the link names; run the same command to go on/);
    assert.doesNotMatch(stderr, /failed/);
    assert.equal(jsonLines(stdout).at(-1)?.type, 'interrupted');
  });

  test('that never comes keeps nobody else waiting', async (t) => {
    const lab = await CommandLab.create(t);
    const [film, song, text] = await Promise.all(
      ['film', 'song', 'text'].map((name) => lab.file(name, 50_000)),
    );
    assert.ok(film && song && text);
    const peer = await lab.seed([film, song, text]);
    // The link and the torrent file of one are one.
    const sources = [NEVER, film.file, linkOf(song), linkOf(text), text.file];
    const ended = await lab.expect(4, ['get', ...sources, '--peer', peer, '--timeout', '3s', '--json']);
    for (const each of [film, song, text]) await lab.assertGot(each);
    const complete = jsonLines(ended.stdout).filter(({ type }) => type === 'complete');
    assert.equal(complete.length, 3);
  });

  test('goes on where it was killed, without a peer that knows the list of files', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1_000_000);
    const peer = await lab.seed([film]);
    const slow = lab.start(['get', linkOf(film), '--peer', peer, '--down', '50K', '--json']);
    await slow.event('progress', ({ torrents }) =>
      (torrents as Json[]).some(({ haveBytes }) => Number(haveBytes) > 0),
    );
    slow.child.kill('SIGINT');
    assert.equal((await slow.ended).code, 130);
    const ended = await lab.expect(4, ['get', linkOf(film), '--timeout', '1s', '--json']);
    assert.ok(typesOf(ended.stdout).includes('metadata'));
    await lab.expect(0, ['get', linkOf(film), '--peer', peer]);
    await lab.assertGot(film);
  });
});

/** Served at any path. @returns its URL */
async function web(lab: CommandLab, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, HOST);
  await new Promise((resolve) => server.once('listening', resolve));
  lab.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://${HOST}:${address.port}/x.torrent`;
}

describe('swarm get with the URL of a torrent file', { concurrency: 3, timeout: 60_000 }, () => {
  test('fetches it, unpacked and through a redirect if need be', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 50_000);
    const peer = await lab.seed([film]);
    const bytes = await readFile(film.file);
    const plain = await web(lab, (_, response) => response.end(bytes));
    const packed = await web(lab, (_, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync(bytes));
    });
    const moved = await web(lab, (_, response) => response.writeHead(302, { Location: packed }).end());
    for (const [i, url] of [plain, packed, moved].entries()) {
      const out = join(lab.here, String(i));
      await lab.expect(0, ['get', url, '--peer', peer, '--out', out]);
      await lab.assertGot(film, out);
    }
  });

  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const FAULTS: readonly [title: string, answer: RequestListener, said: RegExp][] = [
    ['404', (_, response) => response.writeHead(404).end(), /the server answered 404/],
    ['500', (_, response) => response.writeHead(500).end(), /the server answered 500/],
    [
      'a redirect to itself',
      (request, response) => response.writeHead(302, { Location: request.url }).end(),
      /redirects without end/,
    ],
    [
      'a redirect to a file',
      (_, response) => response.writeHead(302, { Location: 'file:///etc/passwd' }).end(),
      /cannot fetch/,
    ],
    [
      'a body without end',
      (_, response) => void Readable.from(zeros()).pipe(response),
      /more than 33554432 bytes/,
    ],
    [
      'a web page',
      (_, response) => response.end('<!doctype html><title>log in</title>'),
      /not valid bencode|not bencode/,
    ],
    ['nothing', (_, response) => response.end(), /bencode/],
    [
      'a bomb',
      (_, response) => void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb),
      /unpacked/,
    ],
    [
      'half of what it promised',
      (_, response) =>
        void response.writeHead(200, { 'Content-Length': 100 }).end('d', () => response.destroy()),
      /cannot fetch/,
    ],
    ['no HTTP', (request) => void request.socket.end('SSH-2.0-x\r\n\r\n'), /not HTTP/],
  ];
  for (const [title, answer, said] of FAULTS)
    test(`answered with ${title} is refused with 3`, async (t) => {
      const lab = await CommandLab.create(t);
      const { stdout, stderr } = await lab.expect(3, ['get', await web(lab, answer), '--json']);
      assert.match(stderr, said);
      assert.doesNotMatch(stderr, /tracker/);
      assert.match(String(jsonLines(stdout)[0]?.code), /^(INPUT|TORRENT)_/);
    });

  test('that cannot be had does not keep the others from coming, and is 3', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 50_000);
    const peer = await lab.seed([film]);
    const gone = await web(lab, (_, response) => response.writeHead(410).end());
    const refused = `http://user:secret@${HOST}:1/x.torrent`;
    const { stdout, stderr } = await lab.expect(3, [
      'get',
      gone,
      refused,
      film.file,
      '--peer',
      peer,
      '--json',
    ]);
    await lab.assertGot(film);
    assert.doesNotMatch(stderr.replaceAll(refused, '') + stdout.replaceAll(refused, ''), /secret/);
  });

  test('of a server that speaks no TLS is refused by name, when it is https', async (t) => {
    const lab = await CommandLab.create(t);
    const url = (await web(lab, (_, response) => response.end())).replace('http:', 'https:');
    const { stderr } = await lab.expect(3, ['get', url]);
    assert.match(
      stderr,
      /cannot fetch https:\/\/127\.0\.0\.1:\d+\/x\.torrent: the server did not answer: \w+/,
    );
  });

  test('that drips is left with 130 at Ctrl-C', async (t) => {
    const lab = await CommandLab.create(t);
    let onAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const url = await web(lab, (_, response) => {
      response.write('d');
      onAsked();
    });
    const running = lab.start(['get', url]);
    await asked;
    running.child.kill('SIGINT');
    assert.equal((await running.ended).code, 130);
  });
});

function* zeros(): Generator<Buffer> {
  const chunk = Buffer.alloc(1024 * 1024);
  for (;;) yield chunk;
}

/** How `swarm get` is left: Ctrl-C once and twice, and the ends of seeding on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { jsonLines, summaryIn } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';
import { freePort } from '../support/free-port.js';

const KIB = 1024;

/** A tracker in name only: tells of every announce, and may never answer one. */
async function fakeTracker(t: TestContext, answers: boolean) {
  const announced: string[] = [];
  const server = createHttpServer((request, response) => {
    announced.push(new URL(request.url ?? '', 'http://x').searchParams.get('event') ?? '');
    server.emit('announced');
    if (answers) response.end('d8:intervali1800e5:peers0:e');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/announce`, announced, server };
}

describe('swarm get', { concurrency: 3, timeout: 60_000 }, () => {
  test('on Ctrl-C tells the tracker and exits 130', async (t) => {
    const lab = await CommandLab.create(t);
    const { url, announced, server } = await fakeTracker(t, true);
    const film = await lab.file('film', 900, url);
    const run = lab.start(['get', film.file, '--json']);
    if (announced.length === 0) await once(server, 'announced');
    await run.event('tracker', ({ state }) => state === 'working');
    run.child.kill('SIGINT');
    const { code, stdout, stderr } = await run.ended;
    assert.equal(code, 130, stderr);
    assert.deepEqual(announced, ['started', 'stopped']);
    assert.match(stderr, /^stopped at 0\.0 %, 0 B of 900 B; run the same command to go on$/m);
    const [summary, last] = jsonLines(stdout).slice(-2);
    assert.deepEqual([summary?.type, last?.type], ['summary', 'interrupted']);
  });

  test('leaves within 3 seconds though the tracker does not answer the goodbye', async (t) => {
    const lab = await CommandLab.create(t);
    const { url, server } = await fakeTracker(t, false);
    const film = await lab.file('film', 1000, url);
    const run = lab.start(['get', film.file]);
    await once(server, 'announced');
    const startedAt = performance.now();
    run.child.kill('SIGTERM');
    const { code } = await run.ended;
    const seconds = (performance.now() - startedAt) / 1000;
    assert.equal(code, 130);
    assert.ok(seconds <= 3, `${seconds} s`);
  });

  test('leaves at once on a second Ctrl-C', async (t) => {
    const lab = await CommandLab.create(t);
    const { url, server } = await fakeTracker(t, true);
    const film = await lab.file('film', 1000, url);
    const run = lab.start(['get', film.file, '--json']);
    await run.event('tracker', ({ state }) => state === 'working');
    // From now on the tracker keeps silent.
    server.removeAllListeners('request');
    server.on('request', () => server.emit('goodbye'));
    const goodbye = once(server, 'goodbye');
    const startedAt = performance.now();
    run.child.kill('SIGINT');
    await goodbye;
    run.child.kill('SIGINT');
    const { code } = await run.ended;
    assert.equal(code, 130);
    // Waiting for the tracker would take two seconds.
    assert.ok(performance.now() - startedAt < 1_900);
  });

  test('without a terminal ignores a hang-up, as nohup wants', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 300 * KIB);
    const peer = await lab.seed([film], { uploadBytesPerSecond: 200 * KIB });
    const run = lab.start(['get', film.file, '--peer', peer, '--json']);
    await run.event('checked');
    run.child.kill('SIGHUP');
    assert.equal((await run.ended).code, 0);
    await lab.assertGot(film);
  });

  test('goes on seeding until --seed-ratio is reached', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 300 * KIB);
    const peer = await lab.seed([film]);
    const flags = ['--listen', '127.0.0.1:0', '--seed-ratio', '1', '--json'];
    const port = await freePort();
    const first = lab.start(['get', film.file, '--peer', peer, ...flags, '--listen', `127.0.0.1:${port}`]);
    await first.event('complete');
    const second = ['get', film.file, '--peer', `127.0.0.1:${port}`, '--out', 'second'];
    await lab.expect(0, second);
    const { code, stdout, stderr } = await first.ended;
    assert.equal(code, 0);
    assert.ok(Number(summaryIn(stdout).ratio) >= 1);
    assert.match(stderr, /^seeded film: sent 300 KiB in .*, ratio 1\.00$/m);
  });

  test('goes on seeding for --seed-time, also when nobody comes, and a ratio of 0 is there at once', async (t) => {
    const lab = await CommandLab.create(t);
    const [film, empty] = [await lab.file('film', 1000), await lab.torrentOf('empty', { nothing: 0 })];
    const peer = await lab.seed([film]);
    const { stdout } = await lab.expect(0, ['get', film.file, '--peer', peer, '--seed-time', '1s', '--json']);
    assert.ok(Number(summaryIn(stdout).seconds) >= 1);
    await lab.expect(0, ['get', film.file, '--seed-ratio', '0']);
    // Without content there is nothing to send.
    await lab.expect(0, ['get', empty.file, '--seed-ratio', '2']);
  });

  test('with --keep-seeding goes on until Ctrl-C, which is then 0', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const peer = await lab.seed([film]);
    const flags = ['--keep-seeding', '--seed-time', '0s', '--seed-ratio', '0', '--json'];
    const run = lab.start(['get', film.file, '--peer', peer, ...flags]);
    await run.event('complete');
    await run.event('progress', ({ torrents }) => (torrents as { phase: string }[])[0]?.phase === 'seeding');
    run.child.kill('SIGINT');
    const { code, stderr } = await run.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^seeded film: /m);
  });
});

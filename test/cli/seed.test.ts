/** `swarm seed` as a program: makes, announces and serves; refuses to serve what is not right. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { jsonLines, runCli, summaryIn } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';

const HOST = '127.0.0.1';

describe('swarm seed', { concurrency: 3, timeout: 60_000 }, () => {
  test('makes, saves, announces and serves a folder until Ctrl-C, which is 0', async (t) => {
    const lab = await CommandLab.create(t);
    const tracker = await lab.tracker();
    const album = await lab.torrentOf('album', { 'cd/one': 90_000, two: 5, empty: 0 });
    const saved = join(lab.folder, 'saved.torrent');
    const flags = ['--tracker', tracker, '--save-torrent', saved, '--listen', `${HOST}:0`, '--json'];
    const seed = lab.start(['seed', album.source, ...flags]);
    const { infoHash, port, magnet } = await seed.event('seeding');
    assert.match(String(magnet), new RegExp(`^magnet:\\?xt=urn:btih:${infoHash}&dn=album&tr=http`));
    assert.ok(Number(port) > 0);
    await seed.event('tracker', ({ state }) => state === 'working');
    await lab.expect(0, ['get', saved]);
    await lab.assertGot(album);
    seed.child.kill('SIGINT');
    const { code, stdout, stderr } = await seed.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^wrote .*saved\.torrent$/m);
    assert.match(stderr, /^seeding album, 87\.9 KiB in 3 pieces$/m);
    assert.match(stderr, /^seeded album: sent 87\.9 KiB in .*, ratio 1\.00$/m);
    assert.equal(summaryIn(stdout).uploadedBytes, 90_005);
  });

  test('changes nothing on disk', async (t) => {
    const lab = await CommandLab.create(t);
    const album = await lab.torrentOf('album', { one: 90_000 });
    const files = () => readdir(join(lab.folder, 'source'), { recursive: true });
    const before = await files();
    const seed = lab.start(['seed', album.source, '--json', '--no-dht']);
    await seed.event('seeding');
    seed.child.kill('SIGINT');
    assert.equal((await seed.ended).code, 0);
    assert.deepEqual(await files(), before);
    assert.equal(
      existsSync(join(lab.folder, 'state')),
      false,
      'it is hashed at every start: nothing to remember',
    );
  });

  test('remembers the check of an existing torrent, so that the next start hashes nothing', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 90_000);
    const seed = async () => {
      const running = lab.start(['seed', film.source, '--torrent', film.file, '--json']);
      await running.event('seeding');
      running.child.kill('SIGINT');
      assert.equal((await running.ended).code, 0);
    };
    await utimes(film.source, 1_600_000_000, 1_600_000_000);
    await seed();
    assert.equal((await readdir(join(lab.folder, 'state/swarm'))).length, 1);
    // A change that size and time do not show: who hashes finds it.
    await writeFile(film.source, Buffer.alloc(90_000));
    await utimes(film.source, 1_600_000_000, 1_600_000_000);
    await seed();
    await rm(join(lab.folder, 'state'), { recursive: true });
    const hashed = await lab.expect(6, ['seed', film.source, '--torrent', film.file]);
    assert.match(hashed.stderr, /differ from the torrent/);
  });

  test('saves the same torrent again, and overwrites another one only when told', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const saved = join(lab.folder, 'saved.torrent');
    const seed = async (...flags: string[]) => {
      const running = lab.start(['seed', film.source, '--save-torrent', saved, '--json', ...flags]);
      await running.event('seeding');
      running.child.kill('SIGINT');
      assert.equal((await running.ended).code, 0);
    };
    await seed();
    const first = await readFile(saved);
    await seed();
    assert.deepEqual(await readFile(saved), first);
    const refused = await runCli(['seed', film.source, '--save-torrent', saved, '--private']);
    assert.equal(refused.code, 5);
    assert.match(refused.stderr, /saved\.torrent exists already/);
    assert.deepEqual(await readFile(saved), first);
    await seed('--private', '--force');
    assert.notDeepEqual(await readFile(saved), first);
  });

  test('says how others find a torrent without a tracker', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    for (const [flags, says] of [
      [['--no-dht'], /no tracker: others find this seed by --peer HOST:\d+ only/],
      [
        ['--dht-bootstrap', `${HOST}:1`, '--listen', `${HOST}:0`],
        /by its link, in the DHT, or by --peer HOST:\d+/,
      ],
      [['--dht-bootstrap', `${HOST}:1`, '--listen', `${HOST}:0`, '--private'], /by --peer HOST:\d+ only/],
    ] as const) {
      const seed = lab.start(['seed', film.source, ...flags]);
      await seed.said(says);
      seed.child.kill('SIGINT');
      assert.equal((await seed.ended).code, 0);
    }
  });

  test('serves several paths at once', async (t) => {
    const lab = await CommandLab.create(t);
    const [one, two] = [await lab.file('one', 40_000), await lab.file('two', 50_000)];
    const pieces = ['--piece-length', '16K'];
    const seed = lab.start(['seed', one.source, two.source, ...pieces, '--listen', `${HOST}:0`, '--json']);
    const { port } = await seed.event('seeding', ({ name }) => name === 'two');
    await lab.expect(0, ['get', one.file, two.file, '--peer', `${HOST}:${port}`]);
    await lab.assertGot(one);
    await lab.assertGot(two);
  });

  test('serves a path as an existing torrent, also to further trackers', async (t) => {
    const lab = await CommandLab.create(t);
    const [tracker, film] = [await lab.tracker(), await lab.file('film', 100_000)];
    const flags = ['--torrent', film.file, '--tracker', tracker, '--json'];
    const seed = lab.start(['seed', film.source, ...flags]);
    assert.equal((await seed.event('seeding')).infoHash, film.metainfo.infoHash);
    await seed.event('tracker', ({ state }) => state === 'working');
    await lab.expect(0, ['get', film.file, '--tracker', tracker]);
    await lab.assertGot(film);
    seed.child.kill('SIGINT');
    assert.doesNotMatch((await seed.ended).stderr, /no tracker/);
  });

  test('does not serve data that differs from --torrent: 6', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 100_000);
    const argv = ['seed', film.source, '--torrent', film.file, '--json'];
    const bytes = await readFile(film.source);
    bytes[50_000] = (bytes[50_000] ?? 0) ^ 1;
    await writeFile(film.source, bytes);
    const damaged = await lab.expect(6, argv);
    assert.match(damaged.stderr, /error: 16\.0 KiB of film are missing or differ from the torrent/);
    assert.match(damaged.stderr, /swarm verify names them, swarm get fetches them\./);
    await truncate(film.source, 10);
    await lab.expect(6, argv);
    await rm(film.source);
    const { stdout } = await lab.expect(6, argv);
    assert.ok(!jsonLines(stdout).some(({ type }) => type === 'seeding'));
  });

  test('ends with 5 when its file shrinks under it', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 200_000);
    const flags = ['--torrent', film.file, '--listen', '127.0.0.1:0', '--json'];
    const seed = lab.start(['seed', film.source, ...flags]);
    const { port } = await seed.event('seeding');
    await truncate(film.source, 1);
    lab.start(['get', film.file, '--peer', `${HOST}:${port}`]);
    const { code, stdout, stderr } = await seed.ended;
    assert.equal(code, 5, stderr);
    assert.match(String(jsonLines(stdout).at(-1)?.code), /^STORAGE_/);
    assert.equal(stderr.match(/vanished/g)?.length, 1, `told once: ${stderr}`);
  });

  test('refuses what it cannot make: 2, 3 and 5', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const other = join(lab.folder, 'other');
    for (const [code, argv] of [
      [2, []],
      [2, [film.source, '--piece-length', '5']],
      [2, [film.source, '--super-seed', 'yes']],
      [2, [film.source, '--tui']],
      [2, [film.source, other, '--save-torrent', other]],
      [2, [film.source, film.source, '--torrent', film.file]],
      [2, [film.source, '--torrent', film.file, '--save-torrent', other]],
      [3, [join(lab.folder, 'nothing')]],
      [3, [other, '--torrent', film.file]],
      [3, [film.source, '--torrent', film.source]],
      [5, [film.source, '--save-torrent', join(lab.folder, 'no/such/folder')]],
      [5, [film.source, '--save-torrent', film.source]],
    ] as const) {
      const ended = await runCli(['seed', ...argv]);
      assert.equal(ended.code, code, `${argv.join(' ')}: ${ended.stderr}`);
    }
  });
});

/** `swarm get` as a program: what it fetches, from whom, and how it goes on. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Json, jsonLines, runCli, summaryIn } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const hasBytes = (bytes: number) => (progress: Json) =>
  (progress.torrents as { haveBytes: number }[]).some(({ haveBytes }) => haveBytes >= bytes);

describe('swarm get', { concurrency: 3, timeout: 60_000 }, () => {
  test('fetches a folder through a tracker into the current folder and says so on stderr', async (t) => {
    const lab = await CommandLab.create(t);
    const tracker = await lab.tracker();
    const album = await lab.torrentOf('album', { 'cd/one': 90_000, 'cd/two': 5, empty: 0 }, tracker);
    await lab.seed([album]);
    const { stdout, stderr } = await lab.expect(0, ['get', album.file]);
    assert.equal(stdout, '');
    const [first, last, ...rest] = stderr.trimEnd().split('\n');
    assert.equal(first, 'downloading album, 87.9 KiB in 6 pieces → ./album/');
    assert.match(last ?? '', /^complete album: 87\.9 KiB in \d+\.\ds at .*\/s, ratio 0\.00$/);
    assert.deepEqual(rest, []);
    await lab.assertGot(album);
  });

  test('once complete, fetches nothing again', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', MIB);
    const peer = await lab.seed([film]);
    await lab.expect(0, ['get', film.file, '--peer', peer]);
    const { mtimeMs } = await stat(join(lab.here, 'film'));
    // Without a peer: it must not need one.
    const again = await lab.expect(0, ['get', film.file, '--json']);
    assert.deepEqual([summaryIn(again.stdout).downloadedBytes, summaryIn(again.stdout).haveBytes], [0, MIB]);
    assert.equal(again.stderr, 'complete film: 1.00 MiB, was here already\n');
    assert.equal((await stat(join(lab.here, 'film'))).mtimeMs, mtimeMs);
  });

  test('--out names another folder, --quiet says nothing', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 100_000);
    const peer = await lab.seed([film]);
    const out = join(lab.folder, 'else', 'where');
    const ended = await lab.expect(0, ['get', film.file, '-q', '--out', out, '--peer', peer]);
    assert.deepEqual([ended.stdout, ended.stderr], ['', '']);
    await lab.assertGot(film, out);
  });

  test('--files takes the numbers that swarm info shows, and globs', async (t) => {
    const lab = await CommandLab.create(t);
    const files = { 'a.txt': 20_000, 'b.flac': 40_000, 'sub/c.flac': 40_000, 'sub/d.jpg': 20_000 };
    const album = await lab.torrentOf('album', files);
    const peer = await lab.seed([album]);
    const shown = await lab.expect(0, ['info', album.file]);
    const numberOf = (path: string) =>
      new RegExp(`^ *(\\d+) .* album/${path}$`, 'm').exec(shown.stdout)?.[1] ?? 'none';
    const choices: [choice: string, expected: string[]][] = [
      [numberOf('sub/c.flac'), ['sub/c.flac']],
      [`${numberOf('a.txt')}-${numberOf('b.flac')}`, ['a.txt', 'b.flac']],
      ['*.flac', ['b.flac', 'sub/c.flac']],
      ['album/sub/*', ['sub/c.flac', 'sub/d.jpg']],
    ];
    for (const [i, [choice, expected]] of choices.entries()) {
      const out = join(lab.folder, `out-${i}`);
      await lab.expect(0, ['get', album.file, '--files', choice, '--out', out, '--peer', peer]);
      const same = async (path: string) =>
        existsSync(join(out, 'album', path)) &&
        (await readFile(join(out, 'album', path))).equals(await readFile(join(album.source, path)));
      for (const path of Object.keys(files))
        assert.equal(await same(path), expected.includes(path), `${choice}: ${path}`);
    }
  });

  test('a --files that chooses nothing is a usage error', async (t) => {
    const lab = await CommandLab.create(t);
    const album = await lab.torrentOf('album', { a: 1, b: 1 });
    for (const choice of ['2', '0-2', '1-0', '1,,2', '-', '*.mkv', 'x'.repeat(2_000)])
      assert.equal((await runCli(['get', album.file, `--files=${choice}`])).code, 2, choice);
    const { stderr } = await lab.expect(2, ['get', album.file, '--files', '5']);
    assert.match(stderr, /the torrent has 2 files, 0 to 1, got "5"\nswarm info FILE numbers them\./);
  });

  test('finds peers by name and by IPv6 address', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 100_000);
    const [, port] = (await lab.seed([film])).split(':');
    const byName = ['get', film.file, '--peer', `localhost:${port}`, '--out', 'name'];
    await lab.expect(0, [...byName, '--timeout', '10s']);
    await lab.assertGot(film, join(lab.here, 'name'));
    const { stderr } = await lab.expect(2, ['get', film.file, '--peer', 'no-such-host.invalid:1']);
    assert.match(stderr, /there is no address of "no-such-host\.invalid"/);
    const peer = await lab.seed([film], { listenHost: '::1', stateDir: join(lab.folder, 'six') });
    assert.match(peer, /^\[::1\]:\d+$/);
    await lab.expect(0, ['get', film.file, '--peer', peer, '--out', 'six', '--timeout', '10s']);
    await lab.assertGot(film, join(lab.here, 'six'));
  });

  test('--preallocate full takes all the space before anything arrives, sparse none of it', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', MIB);
    for (const kind of ['full', 'sparse'])
      await lab.expect(4, ['get', film.file, '--out', kind, '--preallocate', kind, '--timeout', '1s']);
    assert.ok((await stat(join(lab.here, 'full/film'))).blocks * 512 >= MIB);
    assert.ok(!existsSync(join(lab.here, 'sparse/film')));
    const peer = await lab.seed([film]);
    await lab.expect(0, ['get', film.file, '--out', 'full', '--peer', peer]);
    await lab.assertGot(film, join(lab.here, 'full'));
  });

  test('after Ctrl-C the same command goes on where it stopped', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 2 * MIB);
    const peer = await lab.seed([film], { uploadBytesPerSecond: MIB });
    const argv = ['get', film.file, '--peer', peer, '--json'];
    const first = lab.start(argv);
    await first.said(/downloading film/);
    await first.event('progress', hasBytes(1));
    first.child.kill('SIGINT');
    const { code, stdout, stderr } = await first.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /stopped at \d+\.\d %, .* of 2\.00 MiB; run the same command to go on\n$/);
    assert.equal(jsonLines(stdout).at(-1)?.type, 'interrupted');
    const had = Number(summaryIn(stdout).haveBytes);
    assert.ok(had > 0 && had < 2 * MIB, `${had} bytes`);
    const second = await lab.expect(0, argv);
    assert.equal(
      Number(summaryIn(second.stdout).downloadedBytes),
      2 * MIB - Number(jsonLines(second.stdout).find(({ type }) => type === 'checked')?.haveBytes),
    );
    assert.ok(Number(summaryIn(second.stdout).downloadedBytes) <= 2 * MIB - had);
    assert.match(second.stderr, /downloading film, .* → \.\/film, \d+\.\d % is here/);
    await lab.assertGot(film);
  });

  test('--sequential fetches in order', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 4 * MIB);
    const peer = await lab.seed([film], { uploadBytesPerSecond: MIB });
    const run = lab.start(['get', film.file, '--peer', peer, '--sequential', '--json']);
    await run.event('progress', hasBytes(512 * KIB));
    run.child.kill('SIGINT');
    assert.equal((await run.ended).code, 130);
    const verified = await lab.expect(6, ['verify', film.file, '--json']);
    const { badPieces, goodPieces } = jsonLines(verified.stdout).at(-1) as {
      badPieces: number[];
      goodPieces: number;
    };
    // All but the few under way at the end lie before the first that is missing.
    assert.ok((badPieces[0] ?? 0) >= goodPieces * 0.8, `${goodPieces} good, ${badPieces[0]} the first bad`);
  });

  test('--down and --up are not exceeded', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 768 * KIB);
    const peer = await lab.seed([film]);
    const down = await lab.expect(0, ['get', film.file, '--peer', peer, '--down', '512K', '--json']);
    // A quarter of a second's worth may come at once.
    assert.ok(Number(summaryIn(down.stdout).seconds) >= 1.25 - 0.05, down.stdout);
    const flags = ['--torrent', film.file, '--up', '512K', '--json', '--listen', '127.0.0.1:0'];
    const seed = lab.start(['seed', film.source, ...flags]);
    const { port } = await seed.event('seeding');
    const at = `127.0.0.1:${port}`;
    const up = await lab.expect(0, ['get', film.file, '--peer', at, '--out', 'up', '--json']);
    assert.ok(Number(summaryIn(up.stdout).seconds) >= 1.25 - 0.05, up.stdout);
  });

  test('of several sources one may fail: the others finish, the exit code is of the failure', async (t) => {
    const lab = await CommandLab.create(t);
    const [one, two] = [await lab.file('one', 50_000), await lab.file('two', 60_000)];
    const peer = await lab.seed([one, two]);
    const unreadable = join(lab.folder, 'nothing.torrent');
    const three = await lab.expect(3, ['get', one.file, unreadable, two.file, one.file, '--peer', peer]);
    assert.match(three.stderr, /^failed .*nothing\.torrent: cannot read/m);
    assert.match(
      three.stderr,
      /^error: cannot read .*nothing\.torrent \(ENOENT\)\nThere is no such file or folder\.\n$/m,
    );
    for (const torrent of [one, two]) await lab.assertGot(torrent);

    const three2 = await lab.expect(3, ['get', one.file, unreadable, '--json']);
    const errors = jsonLines(three2.stdout).filter(({ type }) => type === 'error');
    assert.deepEqual(
      errors.map(({ code, source }) => [code, source]),
      [
        ['INPUT_NOT_FOUND', unreadable],
        ['INPUT_NOT_FOUND', undefined],
      ],
    );
  });

  test('a storage fault of one torrent leaves the others alone', async (t) => {
    const lab = await CommandLab.create(t);
    const [one, two] = [await lab.file('one', 50_000), await lab.torrentOf('two', { x: 60_000 })];
    const peer = await lab.seed([one, two]);
    // `two` is a folder, but there is a file of that name.
    await lab.expect(0, ['create', one.file, '-o', join(lab.here, 'two')]);
    const { stdout, stderr } = await lab.expect(5, ['get', one.file, two.file, '--peer', peer, '--json']);
    assert.match(stderr, /^failed two: /m);
    await lab.assertGot(one);
    const phases = jsonLines(stdout).filter(({ type }) => type === 'summary');
    assert.deepEqual(
      phases.map(({ name, phase }) => [name, phase]),
      [
        ['one', 'seeding'],
        ['two', 'failed'],
      ],
    );
    assert.match(String(jsonLines(stdout).at(-1)?.code), /^STORAGE_/);
  });
});

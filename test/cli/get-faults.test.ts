/** `swarm get` as a program: each way to fail has its exit code and says what to do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { jsonLines, runCli, summaryIn } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';

const MIB = 1024 * 1024;
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** A tmpfs of its own at `folder`; false, and the test skipped, where we may not. */
async function mountTmpfs(t: TestContext, lab: CommandLab, folder: string, options: string) {
  if (!isRoot) {
    t.skip('mounting needs root');
    return false;
  }
  await mkdir(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    t.skip('mounting is not allowed here');
    return false;
  }
  lab.after(() => execFileSync('umount', [folder]));
  return true;
}

describe('swarm get', { concurrency: 3, timeout: 60_000 }, () => {
  test('refuses a wrong command line with 2', async (t) => {
    const lab = await CommandLab.create(t);
    const { file } = await lab.file('film', 1);
    for (const wrong of [
      ['--down', 'fast'],
      ['--up', '-1'],
      ['--timeout', 'soon'],
      ['--peer', 'host:65536'],
      ['--timeout', '0'],
      ['--preallocate', 'none'],
      ['--seed-ratio', 'much'],
      ['--seed-ratio=-1'],
      ['--seed-ratio', 'Infinity'],
      ['--listen', '70000'],
      ['--peer', 'nowhere'],
      ['--peer', '1.2.3.4:0'],
      ['--tracker', 'ftp://x/announce'],
      ['--max-peers', '0'],
      ['--encryption', 'on'],
      ['--tui'],
      ['--unknown'],
    ])
      assert.equal((await runCli(['get', file, ...wrong])).code, 2, wrong.join(' '));
    await lab.expect(2, ['get']);
  });

  test('takes the options of later versions where they ask for nothing', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const peer = await lab.seed([film]);
    const off = ['--no-dht', '--no-lsd', '--no-pex', '--no-nat', '--encryption', 'off', '--no-tui'];
    await lab.expect(0, ['get', film.file, '--peer', peer, ...off, '--max-peers', '3']);
  });

  test('refuses links that name no torrent with 3, URLs that are not HTTP with 2', async (t) => {
    const lab = await CommandLab.create(t);
    for (const link of ['magnet:?dn=film', 'magnet:?xt=urn:btih:0123', 'MAGNET:?xt=urn:sha1:x'])
      await lab.expect(3, ['get', link]);
    const { stderr } = await lab.expect(2, ['get', 'ftp://example.org/x.torrent']);
    assert.match(stderr, /cannot fetch from ftp:/);
  });

  test('refuses what is no torrent with 3', async (t) => {
    const lab = await CommandLab.create(t);
    const broken = join(lab.folder, 'broken.torrent');
    await writeFile(broken, 'd4:infod6:lengthi-1eee');
    for (const source of [broken, lab.folder, join(lab.folder, 'none')]) {
      const { stdout } = await lab.expect(3, ['get', source, '--json']);
      assert.match(String(jsonLines(stdout)[0]?.code), /^(TORRENT|INPUT)_/);
    }
  });

  test('gives up with 4 when nothing arrives for --timeout, and says what it waited for', async (t) => {
    const lab = await CommandLab.create(t);
    // Port 1 refuses at once.
    const film = await lab.file('film', 1000, 'http://127.0.0.1:1/announce');
    const none = await lab.file('none', 1000);
    const lone = await lab.file('lone', 1000, await lab.tracker());
    const refused = await lab.expect(4, ['get', film.file, '--timeout', '1s']);
    assert.match(
      refused.stderr,
      /error: nothing arrived for 1s: no tracker answered: .*nothing listens there/,
    );
    assert.match(refused.stderr, /--peer HOST:PORT adds a peer/);
    const asked = await lab.expect(4, ['get', none.file, '--timeout', '1s']);
    assert.match(
      asked.stderr,
      /nothing arrived for 1s: no tracker and no peers, and the DHT is switched off: add --tracker or --peer/,
    );
    const alone = await lab.expect(4, ['get', lone.file, '--timeout', '1s', '--json']);
    assert.equal(jsonLines(alone.stdout).at(-1)?.code, 'PEERS_NONE');
  });

  test('a disk that fills up is 5, and what was verified goes on once there is room', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 3 * MIB);
    const peer = await lab.seed([film]);
    const out = join(lab.folder, 'small');
    if (!(await mountTmpfs(t, lab, out, 'size=1m'))) return;
    const argv = ['get', film.file, '--peer', peer, '--out', out, '--json'];
    const { stdout, stderr } = await lab.expect(5, argv);
    assert.equal(jsonLines(stdout).at(-1)?.code, 'STORAGE_NO_SPACE');
    assert.match(stderr, /error: the disk is full: .*\nFree some space/);
    execFileSync('mount', ['-o', 'remount,size=8m', out]);
    const second = await lab.expect(0, argv);
    const { downloadedBytes } = summaryIn(second.stdout);
    assert.ok(Number(downloadedBytes) < 3 * MIB, `${downloadedBytes} bytes again`);
    await lab.assertGot(film, out);
  });

  test('a read-only disk is 5', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const peer = await lab.seed([film]);
    const out = join(lab.folder, 'fixed');
    if (!(await mountTmpfs(t, lab, out, 'ro,size=1m'))) return;
    const { stdout } = await lab.expect(5, ['get', film.file, '--peer', peer, '--out', out, '--json']);
    assert.equal(jsonLines(stdout).at(-1)?.code, 'STORAGE_READ_ONLY');
  });

  test('a folder that is not ours is 5', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const peer = await lab.seed([film]);
    const [out, state] = [join(lab.folder, 'theirs'), join(lab.folder, 'nobody')];
    await mkdir(out, { mode: 0o555 });
    await mkdir(state, { mode: 0o777 });
    for (const folder of [lab.folder, lab.here]) await chmod(folder, 0o755);
    await chmod(state, 0o777);
    const { stdout } = await lab.expect(5, ['get', film.file, '--peer', peer, '--out', out, '--json'], {
      env: { XDG_STATE_HOME: state },
      ...(isRoot ? { uid: NOBODY } : {}),
    });
    assert.equal(jsonLines(stdout).at(-1)?.code, 'STORAGE_NO_PERMISSION');
  });

  test('a port that is taken, or an address that is not ours, is 7', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000);
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    lab.after(() => blocker.close());
    const { port } = blocker.address() as { port: number };
    const taken = await lab.expect(7, ['get', film.file, '--listen', `127.0.0.1:${port}`]);
    assert.match(taken.stderr, new RegExp(`error: .*${port}`));
    await lab.expect(7, ['get', film.file, '--listen', '192.0.2.1:0']);
    await lab.expect(7, ['seed', film.source, '--listen', `127.0.0.1:${port}`]);
  });
});

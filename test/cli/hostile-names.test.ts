/** Names and texts of strangers in progress lines, notes, errors and --json: no byte of them drives the terminal. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { run } from '../../cli/run.js';
import { readTorrentFile } from '../../engine/index.js';
import { decodeBencode, encodeBencode } from '../../engine/metainfo/bencode.js';
import { jsonLines } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';
import { FakeTerminal } from '../support/fake-terminal.js';

/** A control (line feed aside), C1, bidi, zero-width or other format character, half a surrogate pair. */
const FORBIDDEN = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffc]|\p{Cs}/u;
const MARK_FLOOD = /\p{Mn}{3}/u;
/** What the live view itself writes: colours, cursor up, clearing. */
const OWN_SEQUENCES = /\x1b\[(?:[\d;]*m|\d+A|[JK])|\r/g;

const ATTACKS = '\x1b]52;c;eA==\x07\u009b2J\r{red-fg}\u202e\u200b';
const MARKS = '\u0301'.repeat(100_000);
/** As a torrent's name and a file's: what a file system takes. */
const NAME = `n${ATTACKS}${'\u0301'.repeat(30)}`;
const TEXT = `t${ATTACKS}${MARKS}`;

// Commands that run in this process keep their resume data here.
const state = await mkdtemp(join(tmpdir(), 'swarm-state-'));
process.env.XDG_STATE_HOME = state;
after(() => rm(state, { recursive: true, force: true }));

function assertHarmless(what: string, text: string): void {
  for (const line of text.split('\n')) {
    assert.doesNotMatch(line, FORBIDDEN, `${what}: ${JSON.stringify(line.slice(0, 300))}`);
    assert.doesNotMatch(line, MARK_FLOOD, `${what}: ${JSON.stringify(line.slice(0, 300))}`);
  }
}

/** A torrent with a hostile name and hostile files, made by hand, and its content. */
async function hostileTorrent(lab: CommandLab, announce?: string) {
  const plain = await lab.torrentOf('plain', { a: 40_000, b: 20_000 });
  const { info } = Object.fromEntries(decodeBencode(await readFile(plain.file)) as Map<string, unknown>);
  const pieces = (info as Map<string, Uint8Array>).get('pieces');
  const files = ['a', 'b'].map((name, i) => ({
    length: i === 0 ? 40_000 : 20_000,
    path: [`${name}${NAME}`],
  }));
  const file = join(lab.folder, 'hostile.torrent');
  await writeFile(
    file,
    encodeBencode({
      ...(announce === undefined ? {} : { announce }),
      comment: TEXT,
      'created by': TEXT,
      info: { name: NAME, 'piece length': 16_384, pieces: pieces ?? new Uint8Array(), files },
    }),
  );
  return { file, plain };
}

/** A tracker whose failure reason and warning are hostile. */
async function hostileTracker(t: TestContext, key: 'failure reason' | 'warning message'): Promise<string> {
  const server = createHttpServer((_, response) => {
    response.end(encodeBencode({ [key]: TEXT, interval: 1800, peers: new Uint8Array() }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/announce`;
}

describe('text of strangers', { concurrency: 2, timeout: 60_000 }, () => {
  for (const key of ['failure reason', 'warning message'] as const) {
    test(`in a tracker's ${key} and a torrent's names is harmless in what get prints`, async (t) => {
      const lab = await CommandLab.create(t);
      const { file } = await hostileTorrent(lab, await hostileTracker(t, key));
      for (const argv of [
        ['get', file, '--timeout', '1s'],
        ['get', file, '--timeout', '1s', '--files', 'a*'],
        ['get', file, '--files', '9'],
      ]) {
        const { stderr, stdout, code } = await lab.start(argv).ended;
        assert.ok(code === 4 || code === 2, stderr);
        assertHarmless(argv.join(' '), stderr + stdout);
      }
      const { stderr, stdout } = await lab.expect(4, ['get', file, '--timeout', '1s', '--json']);
      assertHarmless('notes', stderr);
      assert.match(stdout, /^[\x20-\x7e\n]+$/);
      const told = jsonLines(stdout).find(({ type, message }) => type === 'tracker' && message !== '');
      assert.ok(String(told?.message).startsWith('t'), 'the text is told, and in full to programs');
    });
  }

  test('is harmless in the live view on a terminal', async (t) => {
    const lab = await CommandLab.create(t);
    const { file } = await hostileTorrent(lab, await hostileTracker(t, 'failure reason'));
    const plain = await lab.file('other', 1000);
    for (const sources of [[file], [file, plain.file]]) {
      const terminal = new FakeTerminal(80, 24);
      const argv = ['get', ...sources, '--out', lab.here, '--timeout', '1s'];
      const streams = { stdout: terminal.output, stderr: terminal.output };
      assert.equal(await run(argv, { ...streams, env: { TERM: 'xterm' } }), 4);
      assert.match(terminal.written, /\x1b\[/);
      assertHarmless('live view', terminal.written.replace(OWN_SEQUENCES, ''));
    }
  });

  test('in names is harmless while content is served, fetched, verified and shown', async (t) => {
    const lab = await CommandLab.create(t);
    const { file } = await hostileTorrent(lab);
    const shown = await lab.expect(0, ['info', file]);
    assertHarmless('info', shown.stdout);
    const { metainfo } = await readTorrentFile(file);
    // The content under the names that it has on disk.
    const root = join(lab.folder, 'served');
    for (const [i, { diskPath }] of metainfo.files.entries()) {
      await mkdir(join(root, diskPath, '..'), { recursive: true });
      await writeFile(
        join(root, diskPath),
        await readFile(join(lab.folder, 'source/plain', i === 0 ? 'a' : 'b')),
      );
    }
    const [top = ''] = metainfo.files[0]?.diskPath.split('/') ?? [];
    const seed = lab.start(['seed', join(root, top), '--torrent', file, '--listen', '127.0.0.1:0', '--json']);
    const { port } = await seed.event('seeding');
    const got = await lab.expect(0, ['get', file, '--peer', `127.0.0.1:${port}`]);
    assert.match(got.stderr, /^complete n/m);
    assertHarmless('get', got.stderr);
    assertHarmless('verify', (await lab.expect(0, ['verify', file])).stdout);
    seed.child.kill('SIGINT');
    const { stdout, stderr } = await seed.ended;
    assertHarmless('seed', stderr);
    assert.match(stdout, /^[\x20-\x7e\n]+$/);
  });

  test('in paths and arguments is harmless in usage errors, with and without a stack', async () => {
    for (const argv of [
      [`get${ATTACKS}`],
      ['get', TEXT],
      ['get', `magnet:?xt=${TEXT}`],
      ['get', 'x', '--files', TEXT, `--${ATTACKS}`],
      ['get', 'x', '--peer', TEXT],
      ['get', 'x', '--peer', `h${ATTACKS.replaceAll(/[:[\]\s]/g, '')}:1`],
      ['seed', TEXT],
      ['seed', 'x', '--tracker', `http://${TEXT}`],
      ['demo', '--size', TEXT],
    ]) {
      const terminal = new FakeTerminal(80, 24);
      const env = { NO_COLOR: '1', SWARM_DEBUG: '1' };
      const code = await run(argv, { stdout: terminal.output, stderr: terminal.output, env });
      assert.ok(code === 2 || code === 3, `${code}`);
      assertHarmless(argv[0] ?? '', terminal.written);
    }
  });
});

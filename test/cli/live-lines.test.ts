/** The lines that redraw themselves, on a terminal in memory: what they say, and that they never wrap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutToCells } from '../../cli/cut.js';
import { liveLines } from '../../cli/live-lines.js';
import { Output } from '../../cli/output.js';
import { cellWidth, type EngineSnapshot, type TorrentSnapshot } from '../../engine/index.js';
import { DemoEngine } from '../support/demo-snapshot.js';
import { FakeTerminal } from '../support/fake-terminal.js';

const MIB = 1024 * 1024;
const plain = (_colour: string, text: string) => text;

const demo = new DemoEngine().snapshot();
const [template] = demo.torrents;
assert.ok(template !== undefined);
const downloading: TorrentSnapshot = {
  ...template,
  name: 'film.mkv',
  phase: 'downloading',
  haveBytes: 24.1 * MIB,
  wantedBytes: 57.2 * MIB,
  downloadBytesPerSecond: 4 * MIB,
  uploadBytesPerSecond: 0,
  etaSeconds: 130,
  connectedPeers: 5,
};
const waiting: TorrentSnapshot = {
  ...downloading,
  downloadBytesPerSecond: 0,
  haveBytes: 0,
  connectedPeers: 0,
  candidatePeers: 0,
  peers: [],
  trackers: [
    {
      url: 'http://t.example/announce',
      tier: 0,
      state: 'failed',
      message: 'connect ECONNREFUSED',
      seeders: null,
      leechers: null,
      peersReceived: 0,
      nextAnnounceInSeconds: 60,
    },
  ],
};

const snapshotOf = (...torrents: TorrentSnapshot[]): EngineSnapshot => ({ ...demo, torrents });
const lines = (cells: number | null, ...torrents: TorrentSnapshot[]) =>
  liveLines(snapshotOf(...torrents), cells, plain);

test('one torrent shows a bar, its share, rates, time left and peers', () => {
  const [line = ''] = lines(79, downloading);
  assert.equal(
    line.trimEnd(),
    '  ━━━━━━━╸────────── 42.1 %  ↓ 4.00 MiB/s  ↑      0 B/s  eta 2m 10s   5 peers',
  );
  assert.equal(cellWidth(line), 79);
  assert.match(lines(119, downloading)[0] ?? '', /42\.1 % {2}24\.1 MiB of 57\.2 MiB {2}↓ 4\.00 MiB\/s/);
  assert.match(lines(50, downloading)[0] ?? '', /^ {2}━+╸?─+ 42\.1 % {2}↓ 4\.00 MiB\/s {2}eta 2m 10s/);
});

test('while nothing moves, it says what it waits for', () => {
  assert.match(lines(79, waiting)[0] ?? '', /0\.0 % {2}no tracker answered: connect ECONNREFUSED$/);
  assert.equal(lines(null, waiting)[0], 'film.mkv  0.0 %  no tracker answered: connect ECONNREFUSED');
});

test('several torrents have a line each, the rest and the total one', () => {
  const ten = Array.from({ length: 10 }, (_, i) => ({ ...downloading, name: `torrent ${i}` }));
  const shown = lines(99, ...ten, { ...downloading, name: 'done', phase: 'seeding' as const });
  assert.equal(shown.length, 8);
  assert.match(shown[0] ?? '', /^ {2}torrent 0 {2}━/);
  assert.equal(shown[6], '  … and 4 more');
  assert.match(shown[7] ?? '', /^ {2}11 torrents, 1 complete {2}↓ .* eta 2m 10s/);
  assert.match(lines(null, ...ten)[0] ?? '', /^10 torrents, 0 complete/);
});

test('no line is longer than its cells, whatever the names, at any width', () => {
  const names = [
    'film',
    '種子'.repeat(30),
    'e\u0301\u0323'.repeat(40),
    'a'.repeat(300),
    '\x1b]52;c;x\x07\u202e{red-fg}',
  ];
  const torrents = names.map((name, i) => ({ ...(i % 2 ? waiting : downloading), name }));
  for (let cells = 20; cells < 200; cells += 7) {
    for (const line of [
      ...lines(cells, ...torrents),
      ...torrents.flatMap((torrent) => lines(cells, torrent)),
    ]) {
      const cut = cutToCells(line, cells);
      assert.ok(cellWidth(cut) <= cells, `${cells}: ${cut}`);
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]/);
      if (cells >= 79) assert.equal(cut.trimEnd(), line.trimEnd(), `${cells}: cut off`);
    }
  }
});

test('cutting counts wide characters as two cells, and marks and colours as none', () => {
  assert.equal(cutToCells('種子種', 5), '種子');
  assert.equal(cutToCells('種子x', 3), '種');
  assert.equal(cutToCells('e\u0301e\u0301e\u0301', 2), 'e\u0301e\u0301');
  assert.equal(cutToCells('\x1b[32mgreen\x1b[0m', 3), '\x1b[32mgre\x1b[0m');
});

test('on a terminal lines are drawn over themselves, and news appear above them', async () => {
  const terminal = new FakeTerminal(60, 12);
  // The tty driver turns a line feed into both.
  const write = (text: string) => terminal.output.write(text.replaceAll('\n', '\r\n'));
  const stderr = new Proxy(terminal.output, {
    get: (target, name) => (name === 'write' ? write : Reflect.get(target, name)),
  });
  const output = new Output({ stdout: process.stdout, stderr, env: {} }, { json: false, quiet: false });
  const screen = async () => {
    await terminal.settled();
    return terminal
      .lines()
      .map((line) => line.trimEnd())
      .filter((line) => line !== '');
  };
  output.note('first');
  output.progress(0, () => ['one', 'two '.repeat(40), 'three'], assert.fail);
  assert.deepEqual(await screen(), ['first', 'one', 'two '.repeat(40).slice(0, 59).trimEnd(), 'three']);
  output.progress(1_000, () => ['a much longer line than before', 'two'], assert.fail);
  assert.deepEqual(await screen(), ['first', 'a much longer line than before', 'two']);
  output.note('second');
  assert.deepEqual(await screen(), ['first', 'second']);
  output.progress(2_000, () => Array.from({ length: 40 }, (_, i) => `line ${i}`), assert.fail);
  assert.deepEqual((await screen()).slice(0, 3), ['second', 'line 0', 'line 1'], 'no more than fit');
  output.progress(3_000, () => 'x'.repeat(500), assert.fail);
  terminal.resize(30, 12);
  output.progress(4_000, () => 'y'.repeat(500), assert.fail);
  const last = await screen();
  assert.deepEqual(last.at(-1), 'y'.repeat(29));
  assert.ok(!last.some((line) => line.includes('x')), 'nothing is left of the line that wrapped');
});

test('a redraw is one write, so that nothing flickers', async () => {
  const writes: string[] = [];
  const stream = { isTTY: true as const, columns: 80, rows: 24, write: (text: string) => writes.push(text) };
  const terminal = { stdout: process.stdout, stderr: stream as never, env: {} };
  const output = new Output(terminal, { json: false, quiet: false });
  output.progress(0, () => ['one', 'two'], assert.fail);
  output.progress(1_000, () => ['three', 'four'], assert.fail);
  assert.deepEqual(writes, ['\rone\x1b[K\ntwo\x1b[K\x1b[J', '\r\x1b[1Athree\x1b[K\nfour\x1b[K\x1b[J']);
});

test('a dumb terminal, and no terminal, get a line now and then', () => {
  const writes: string[] = [];
  const stream = { isTTY: true as const, columns: 80, rows: 24, write: (text: string) => writes.push(text) };
  const output = new Output(
    { stdout: process.stdout, stderr: stream as never, env: { TERM: 'dumb' } },
    { json: false, quiet: false },
  );
  for (let now = 0; now <= 30_000; now += 250) output.progress(now, () => `at ${now}`, assert.fail);
  assert.deepEqual(writes, ['at 10000\n', 'at 20000\n', 'at 30000\n']);
});

test('what is said while something else has the terminal comes after it, and never without bound', () => {
  const writes: string[] = [];
  const stream = { isTTY: true as const, columns: 80, rows: 24, write: (text: string) => writes.push(text) };
  const output = new Output(
    { stdout: stream as never, stderr: stream as never, env: {} },
    { json: false, quiet: false },
  );
  const release = output.hold();
  for (let i = 0; i < 5_000; i++) output.note(`note ${i}`);
  output.progress(0, () => assert.fail('no progress meanwhile'), assert.fail);
  assert.deepEqual(writes, []);
  release();
  assert.deepEqual([writes.length, writes.at(-1)], [1_000, 'note 4999\n']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeMagnet } from '../../engine/describe.js';
import type { EngineSnapshot, PeerSnapshot, TorrentSnapshot } from '../../engine/snapshot.js';
import { cellWidth, printable } from '../../engine/untrusted-text.js';
import type { Model } from '../../tui/model.js';
import { initialModel, PANELS } from '../../tui/model.js';
import type { Row } from '../../tui/spans.js';
import { rowWidth, span } from '../../tui/spans.js';
import { update } from '../../tui/update.js';
import { table } from '../../tui/view/table.js';
import { view } from '../../tui/view.js';
import { DemoEngine } from '../support/demo-snapshot.js';

const demo = new DemoEngine();
for (let step = 0; step < 60; step++) demo.step(250);
const snapshot = demo.snapshot();

const textOf = (rows: readonly Row[]): string[] => rows.map((row) => row.map(({ text }) => text).join(''));

function shown(
  width: number,
  height: number,
  of: EngineSnapshot = snapshot,
  model: Partial<Model> = {},
): string[] {
  const start = { ...initialModel(width, height), ...model };
  return textOf(view(update(start, { type: 'snapshot', snapshot: of })));
}

function assertFits(rows: readonly string[], width: number, height: number): void {
  assert.equal(rows.length, height);
  for (const row of rows) {
    assert.equal(cellWidth(row), width);
    assert.equal(printable(row, width), row);
  }
}

test('shows at 80 × 24 what a download is about', () => {
  const text = shown(80, 24).join('\n');
  for (const part of [
    'swarm',
    'debian-12.',
    '━━━',
    '↓',
    'left',
    'downloading',
    'rates',
    'pieces',
    'peers',
    'asked',
    'flags',
    '/128',
    '? help',
  ]) {
    assert.ok(text.includes(part), part);
  }
});

test('shows every panel at once at 200 × 60', () => {
  const text = shown(200, 60).join('\n');
  for (const part of [
    '[1] torrents',
    'rates',
    '[3] pieces',
    '[2] peers',
    '[5] files',
    '[4] trackers',
    '[6] log',
    'no answer within 15 s',
    '412',
    'BiglyBT 3.7',
    'banned',
  ]) {
    assert.ok(text.includes(part), part);
  }
});

test('shows the panel in focus at 80 × 24', () => {
  assert.ok(shown(80, 24, snapshot, { focus: 'trackers', tab: 'trackers' }).join('\n').includes('working'));
  assert.ok(shown(80, 24, snapshot, { focus: 'files', tab: 'files' }).join('\n').includes('SHA256SUMS'));
  assert.ok(shown(80, 24, snapshot, { focus: 'log', tab: 'log' }).join('\n').includes('did not answer'));
});

test('shows a magnet of which nothing but the hash is known, whatever panel is in focus', () => {
  const [torrent] = snapshot.torrents as [TorrentSnapshot];
  const magnet = {
    ...snapshot,
    torrents: [
      { ...torrent, ...describeMagnet(undefined), name: torrent.infoHash, phase: 'metadata' as const },
    ],
  };
  for (const focus of PANELS)
    for (const [width, height] of [
      [80, 24],
      [200, 60],
    ] as const) {
      const rows = shown(width, height, magnet, { focus, tab: focus === 'torrents' ? 'peers' : focus });
      assertFits(rows, width, height);
      assert.ok(
        rows.some((row) => row.includes('metadata')),
        focus,
      );
    }
});

test('marks the panel in focus by its lines, so that a terminal without colours shows it', () => {
  for (const focus of PANELS) {
    const tab = focus === 'torrents' ? 'peers' : focus;
    const heavy = shown(80, 24, snapshot, { focus, tab }).filter((row) => row.includes('┏━'));
    assert.equal(heavy.length, 1);
    assert.ok(heavy[0]?.includes(`┏━ [${PANELS.indexOf(focus) + 1}] ${focus} ━`), focus);
  }
});

test('gives several torrents room at 80 × 24, and the chosen one is always among those shown', () => {
  const [torrent] = snapshot.torrents as [TorrentSnapshot];
  const many = (count: number): EngineSnapshot => ({
    ...snapshot,
    torrents: Array.from({ length: count }, (_, i) => ({ ...torrent, name: `number ${i};` })),
  });
  const numbers = (rows: string[]) => rows.flatMap((row) => /[│┃] number (\d+);/.exec(row)?.[1] ?? []);
  assert.deepEqual(numbers(shown(80, 24, many(5))), ['0', '1', '2', '3', '4']);
  const chosen = `${torrent.infoHash} number 33;`;
  for (const focus of PANELS) {
    const rows = shown(80, 24, many(40), { focus, tab: 'peers', chosen });
    assert.ok(numbers(rows).includes('33'), focus);
    assert.ok(rows.some((row) => row.includes('34 of 40')));
  }
});

test('shows in the edge of a list which part of it is on the screen, and nothing when all is', () => {
  const thumb = (scroll: number) =>
    shown(80, 24, snapshot, { focus: 'peers', tab: 'peers', scroll: { peers: scroll } }).flatMap((row, y) =>
      y > 12 && row.endsWith('▐') ? [y] : [],
    );
  const top = thumb(0);
  const end = thumb(1_000);
  assert.ok(top.length > 0);
  assert.equal(top.length, end.length);
  assert.ok((top[0] ?? 0) < (end[0] ?? 0));
  const [torrent] = snapshot.torrents as [TorrentSnapshot];
  const few = { ...snapshot, torrents: [{ ...torrent, peers: torrent.peers.slice(0, 2) }] };
  assert.ok(!shown(80, 24, few).some((row) => row.endsWith('▐')));
});

test('tells the states of a piece apart by shape, and explains each shape', () => {
  const [torrent] = snapshot.torrents as [TorrentSnapshot];
  const pieceStates = Uint8Array.from([3, 2, 1, 0, 0, 4]);
  const pieceAvailability = Uint8Array.from([1, 1, 1, 1, 0, 1]);
  const rows = shown(80, 24, {
    ...snapshot,
    torrents: [{ ...torrent, pieceCount: 6, pieceStates, pieceAvailability }],
  });
  const map = rows.map((row) => /█+▆+▄+░+×+·+/.exec(row)?.[0]).find((found) => found !== undefined);
  assert.ok(map !== undefined, rows.join('\n'));
  const help = shown(80, 24, snapshot, { help: true }).join('\n');
  for (const shape of new Set(map)) assert.ok(help.includes(` ${shape} `), shape);
  const legend = rows.find((row) => row.includes('coming')) ?? '';
  for (const part of ['█ have', '▓ part', '▄ coming', '░ want', '× none'])
    assert.ok(legend.includes(part), part);
});

test('says what is the matter in the edge below the torrents', () => {
  const [torrent, ...others] = snapshot.torrents as [TorrentSnapshot, ...TorrentSnapshot[]];
  const peers = torrent.peers
    .slice(0, 5)
    .map((peer): PeerSnapshot => ({ ...peer, amInterested: true, peerChoking: true }));
  const rows = shown(80, 24, { ...snapshot, torrents: [{ ...torrent, peers }, ...others] });
  assert.ok(rows.some((row) => row.startsWith('┗━ choked by all 5 peers ━')));
});

test('tells choke and interest of both sides apart in fixed places', () => {
  const [torrent] = snapshot.torrents as [TorrentSnapshot];
  const [peer] = torrent.peers as [PeerSnapshot];
  const flags = (
    amInterested: boolean,
    peerChoking: boolean,
    peerInterested: boolean,
    amChoking: boolean,
    more = {},
  ) => {
    const one = {
      ...peer,
      amInterested,
      peerChoking,
      peerInterested,
      amChoking,
      optimistic: false,
      encrypted: false,
      incoming: false,
      ...more,
    };
    const rows = shown(120, 24, { ...snapshot, torrents: [{ ...torrent, peers: [one] }] });
    const head = rows.findIndex((row) => row.includes('flags'));
    const column = (rows[head] ?? '').indexOf('flags');
    return (rows[head + 1] ?? '').slice(column, column + 5);
  };
  assert.equal(flags(true, false, true, false), 'DU···');
  assert.equal(flags(true, true, true, true), 'du···');
  assert.equal(flags(false, false, false, false), 'Kk···');
  assert.equal(flags(false, true, false, true), '·····');
  assert.equal(
    flags(true, false, false, true, { optimistic: true, encrypted: true, incoming: true }),
    'D·OEI',
  );
});

test('sorts peers as asked', () => {
  const hasColumn = (sort: Model['peerSort']) =>
    shown(200, 60, snapshot, { peerSort: sort })
      .flatMap((row) => /\s(\d+)% *│/.exec(row)?.[1] ?? [])
      .map(Number);
  const byProgress = hasColumn('progress');
  assert.ok(byProgress.length > 10);
  assert.deepEqual(
    byProgress,
    [...byProgress].sort((a, b) => b - a),
  );
  assert.notDeepEqual(hasColumn('rate'), byProgress);
});

test('scrolls peers and stops where the last screen is full', () => {
  const last = (rows: string[]) => rows.filter((row) => /\d% *│$/.test(row));
  const top = last(shown(80, 24, snapshot, { peerSort: 'address' }));
  const end = last(shown(80, 24, snapshot, { peerSort: 'address', scroll: { peers: 22 } }));
  assert.equal(end.length, top.length);
  assert.notDeepEqual(end, top);
});

test('shows the newest line of the log last, or earlier ones on request', () => {
  const log = Array.from({ length: 100 }, (_, n) => ({ atMs: n, level: 'info' as const, text: `line ${n}` }));
  const view = (scroll: Model['scroll']) =>
    shown(80, 24, { ...snapshot, log }, { focus: 'log', tab: 'log', scroll }).join('\n');
  assert.match(view({}), /line 99 /);
  assert.match(view({ log: 50 }), /line 49 /);
  assert.doesNotMatch(view({ log: 50 }), /line 50 /);
  assert.match(view({ log: 50 }), /50 newer/);
});

test('explains every flag letter in the help', () => {
  const text = shown(80, 24, snapshot, { help: true }).join('\n');
  for (const part of ['we download', 'it chokes us', 'we choke it', 'unchoked by chance', 'Ctrl-C']) {
    assert.ok(text.includes(part), part);
  }
});

test('starts before the first snapshot and without torrents', () => {
  assertFits(textOf(view(initialModel(80, 24))), 80, 24);
  const text = shown(80, 24, { ...snapshot, torrents: [], log: [] });
  assertFits(text, 80, 24);
  assert.ok(text.join('\n').includes('nothing added yet'));
});

test('builds only the lines that are on the screen', () => {
  let built = 0;
  const columns = [{ title: 'n', width: 5, yields: 0, cell: (item: number) => span(String(item)) }];
  const item = (index: number) => {
    built++;
    return index;
  };
  const rows = table({ columns, length: 1_000_000, item, from: 500_000 }, 20, 11);
  assert.equal(rows.length, 11);
  assert.equal(built, 10);
});

test('shows the chosen torrent and its rate on the smallest screens', () => {
  for (const [width, height] of [
    [24, 3],
    [24, 4],
    [30, 5],
  ] as const) {
    const text = shown(width, height).join('\n');
    assert.match(text, /debian/, `${width} × ${height}`);
    assert.match(text, /↓ [\d.]+ MiB\/s/, `${width} × ${height}`);
  }
});

test('fills every size exactly, also the absurd ones', () => {
  for (const [width, height] of [
    [80, 24],
    [200, 60],
    [120, 36],
    [40, 10],
    [20, 5],
    [10, 3],
    [1, 1],
    [500, 200],
    [80, 2],
    [3, 60],
  ] as const) {
    for (const focus of PANELS) {
      for (const help of [false, true]) {
        const tab = focus === 'torrents' ? 'peers' : focus;
        assertFits(shown(width, height, snapshot, { focus, tab, help }), width, height);
      }
    }
  }
  assert.deepEqual(view(initialModel(0, 0)), []);
});

const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '\x1b]52;c;ZXZpbA==\x07',
    '\x9b2J\x9b31m',
    'a\rb\nc\td',
    '{red-fg}{/}{bold}',
    '\u202eexe.gpj',
    `x${'\u0301'.repeat(1_000)}`,
    '👩‍👩‍👧‍👦🇩🇪⚡',
    '日本語'.repeat(50),
    'हिन्दी नाम',
    'لعربية',
    '\u200b'.repeat(500),
    '',
  ),
);
const wildNumber = fc.oneof(
  fc.nat(),
  fc.double(),
  fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53),
);

test('keeps every row at its width and free of control characters, whatever the swarm says', () => {
  const [torrent] = snapshot.torrents as [TorrentSnapshot];
  const [peer] = torrent.peers as [PeerSnapshot];
  const [tracker] = torrent.trackers;
  const [file] = torrent.files;
  assert.ok(tracker !== undefined && file !== undefined);
  fc.assert(
    fc.property(
      hostileText,
      wildNumber,
      fc.integer({ min: 1, max: 240 }),
      fc.integer({ min: 1, max: 80 }),
      fc.constantFrom(...PANELS),
      fc.uint8Array({ max: 5, maxLength: 300 }),
      fc.constantFrom(...(['checking', 'downloading', 'seeding', 'stopping', 'stopped', 'failed'] as const)),
      (text, number, width, height, focus, states, phase) => {
        const hostilePeer = {
          ...peer,
          host: text,
          client: text,
          downloadBytesPerSecond: number,
          progress: number,
          outstandingRequests: number,
        };
        const hostile: TorrentSnapshot = {
          ...torrent,
          name: text,
          phase,
          error: { code: 'INTERNAL', message: text, hint: text },
          haveBytes: number,
          etaSeconds: number,
          uploadedBytes: number,
          checkedShare: number,
          pieceCount: states.length,
          pieceStates: states,
          pieceAvailability: new Uint8Array(states.length),
          downloadBytesPerSecond: number,
          peers: [hostilePeer, peer, { ...hostilePeer, peerChoking: true }],
          trackers: [
            {
              ...tracker,
              url: text,
              message: text,
              state: 'failed',
              seeders: number,
              nextAnnounceInSeconds: number,
            },
          ],
          files: [{ ...file, path: text, haveBytes: number }],
        };
        const of: EngineSnapshot = {
          ...snapshot,
          uptimeMs: number,
          downloadBytesPerSecond: number,
          torrents: [hostile, ...snapshot.torrents],
          log: [{ atMs: number, level: 'warn', text }],
        };
        const tab = focus === 'torrents' ? 'peers' : focus;
        const model = update(
          { ...initialModel(width, height), focus, tab },
          { type: 'snapshot', snapshot: of },
        );
        const rows = view(model);
        for (const row of rows) assert.equal(rowWidth(row), width);
        assertFits(textOf(rows), width, height);
      },
    ),
    { numRuns: 300 },
  );
});

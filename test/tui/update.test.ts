import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EngineSnapshot, TorrentSnapshot } from '../../engine/snapshot.js';
import { KEY_HELP, keyAction } from '../../tui/keys.js';
import type { Model } from '../../tui/model.js';
import { chosenTorrent, initialModel, MAX_SAMPLES, PANELS, SAMPLE_MS, torrentKey } from '../../tui/model.js';
import type { Message } from '../../tui/update.js';
import { update } from '../../tui/update.js';
import { DemoEngine } from '../support/demo-snapshot.js';

const engine = new DemoEngine();
const first = engine.snapshot();
const started = update(initialModel(80, 24), { type: 'snapshot', snapshot: first });
const keys = first.torrents.map(torrentKey);

const keyOf = (model: Model): string | undefined => {
  const torrent = chosenTorrent(model);
  return torrent === undefined ? undefined : torrentKey(torrent);
};
const run = (model: Model, ...messages: Message[]): Model => messages.reduce(update, model);
const at = (uptimeMs: number, torrents = first.torrents): Message => {
  const snapshot: EngineSnapshot = { ...first, uptimeMs, torrents };
  return { type: 'snapshot', snapshot };
};

test('chooses the next and the previous torrent and stops at the ends', () => {
  assert.equal(keyOf(started), keys[0]);
  const second = run(started, { type: 'move', lines: 1 });
  assert.equal(second.chosen, keys[1]);
  assert.equal(run(second, { type: 'move', lines: -5 }).chosen, keys[0]);
  assert.equal(run(second, { type: 'move', lines: Number.POSITIVE_INFINITY }).chosen, keys.at(-1));
  assert.equal(run(second, { type: 'move', lines: Number.NEGATIVE_INFINITY }).chosen, keys[0]);
});

test('keeps the chosen torrent when the others move, and takes the first when it is gone', () => {
  const second = run(started, { type: 'choose', by: 1 });
  const turned = run(second, at(1, [...first.torrents].reverse()));
  assert.equal(keyOf(turned), keys[1]);
  const gone = run(second, at(1, first.torrents.slice(2)));
  assert.equal(keyOf(gone), keys[2]);
});

test('tells the copies of one torrent in several engines apart', () => {
  const [torrent] = first.torrents as [TorrentSnapshot];
  const copies = ['seed', 'anna'].map((name, n) => ({ ...torrent, name, downloadBytesPerSecond: n }));
  const model = run(initialModel(80, 24), at(0, copies), { type: 'choose', by: 1 });
  assert.equal(chosenTorrent(model)?.name, 'anna');
  assert.deepEqual(
    Object.values(model.rates).map(({ down }) => down),
    [[0], [1]],
  );
});

test('scrolls the focused panel within its list', () => {
  const peers = run(started, { type: 'focus', panel: 'peers' }, { type: 'move', lines: 3 });
  assert.equal(peers.scroll.peers, 3);
  assert.equal(run(peers, { type: 'move', lines: -9 }).scroll.peers, undefined);
  assert.equal(
    run(peers, { type: 'move', lines: 1_000 }).scroll.peers,
    (first.torrents[0]?.peers.length ?? 0) - 1,
  );
  assert.equal(run(peers, { type: 'page', screens: 1 }).scroll.peers, 15);
});

test('follows the list when it shrinks', () => {
  const peers = run(started, { type: 'focus', panel: 'peers' }, { type: 'move', lines: 20 });
  const fewer = first.torrents.map((torrent) => ({ ...torrent, peers: torrent.peers.slice(0, 5) }));
  assert.equal(run(peers, at(1, fewer)).scroll.peers, 4);
});

test('starts another torrent at the top of its lists', () => {
  const peers = run(started, { type: 'focus', panel: 'peers' }, { type: 'move', lines: 3 });
  assert.equal(run(peers, { type: 'choose', by: 1 }).scroll.peers, undefined);
});

test('scrolls the log back from its newest line', () => {
  const log = run(started, { type: 'focus', panel: 'log' }, { type: 'move', lines: -2 });
  assert.equal(log.scroll.log, 2);
  assert.equal(run(log, { type: 'move', lines: 5 }).scroll.log, undefined);
});

test('walks the focus through every panel and back', () => {
  let model = started;
  const seen = PANELS.map(() => {
    const { focus } = model;
    model = update(model, { type: 'focus-next', by: 1 });
    return focus;
  });
  assert.deepEqual(seen, [...PANELS]);
  assert.equal(model.focus, PANELS[0]);
  assert.equal(update(model, { type: 'focus-next', by: -1 }).focus, PANELS.at(-1));
});

test('leaves the last lower panel in place while the torrents have the focus', () => {
  const model = run(started, { type: 'focus', panel: 'files' }, { type: 'escape' });
  assert.deepEqual([model.focus, model.tab], ['torrents', 'files']);
});

test('opens the help and closes it by either key', () => {
  const open = run(started, { type: 'help' });
  assert.equal(open.help, true);
  assert.equal(run(open, { type: 'help' }).help, false);
  assert.equal(run(open, { type: 'escape' }).help, false);
});

test('samples rates at a fixed step, for the torrents that are there, up to a bound', () => {
  const key = keys[0] ?? '';
  const samples = (model: Model) => model.rates[key]?.down.length;
  const once = run(started, at(SAMPLE_MS - 1), at(SAMPLE_MS - 1));
  assert.equal(samples(once), 1);
  assert.equal(samples(run(once, at(SAMPLE_MS))), 2);
  let model = started;
  for (let step = 1; step <= MAX_SAMPLES + 50; step++) model = update(model, at(step * SAMPLE_MS));
  assert.equal(samples(model), MAX_SAMPLES);
  assert.equal(run(model, at(1e9, first.torrents.slice(1))).rates[key], undefined);
});

test('survives any keys at any time, also without a snapshot', () => {
  const keys = [
    'q',
    '?',
    'escape',
    'down',
    'up',
    'pagedown',
    'pageup',
    'home',
    'end',
    'n',
    'p',
    'tab',
    'S-tab',
    's',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    'x',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...keys), { maxLength: 40 }), fc.boolean(), (pressed, early) => {
      let model = early ? initialModel(80, 24) : started;
      for (const key of pressed) {
        const action = keyAction(key);
        if (action !== undefined && action.type !== 'quit') model = update(model, action);
        for (const panel of PANELS) assert.ok(Number.isInteger(model.scroll[panel] ?? 0));
      }
    }),
  );
});

test('quits on q and on Ctrl-C, which raw mode turns into a key', () => {
  assert.deepEqual(keyAction('q'), { type: 'quit' });
  assert.deepEqual(keyAction('C-c'), { type: 'quit' });
  assert.equal(keyAction('constructor'), undefined);
});

test('documents its keys', () => {
  const text = KEY_HELP.flat().join(' ');
  for (const key of ['↑', 'Tab', 'Esc', 's', 'Ctrl-C', '?']) assert.ok(text.includes(key));
});

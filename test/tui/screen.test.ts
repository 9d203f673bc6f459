import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { EngineSnapshot } from '../../engine/snapshot.js';
import { openDashboard } from '../../tui/index.js';
import { initialModel } from '../../tui/model.js';
import { Screen } from '../../tui/screen.js';
import type { Row } from '../../tui/spans.js';
import { select, span } from '../../tui/spans.js';
import { update } from '../../tui/update.js';
import { view } from '../../tui/view.js';
import { DemoEngine } from '../support/demo-snapshot.js';
import { FakeTerminal } from '../support/fake-terminal.js';

const SHOW_CURSOR = '\x1b[?12l\x1b[?25h';
const NORMAL_SCREEN = '\x1b[?1049l';

function withScreen(terminal: FakeTerminal, colour = true) {
  return new Screen({
    input: terminal.input,
    output: terminal.output,
    colour,
    onKey() {},
    onResize() {},
    onLost() {},
  });
}

function withDashboard(terminal: FakeTerminal, snapshot: EngineSnapshot = new DemoEngine().snapshot()) {
  let quits = 0;
  const dashboard = openDashboard({
    snapshot: () => snapshot,
    onQuit: () => quits++,
    input: terminal.input,
    output: terminal.output,
    intervalMs: 60_000,
    colour: true,
  });
  return { dashboard, quits: () => quits };
}

async function press(terminal: FakeTerminal, keys: string): Promise<void> {
  const arrived = new Promise((resolve) => terminal.input.once('keypress', resolve));
  terminal.input.write(keys);
  await arrived;
  await terminal.settled();
}

test('shows on the terminal exactly what the view made', async () => {
  const terminal = new FakeTerminal(200, 60);
  const snapshot = new DemoEngine().snapshot();
  const { dashboard } = withDashboard(terminal, snapshot);
  await terminal.settled();
  const model = update(initialModel(200, 60), { type: 'snapshot', snapshot });
  const expected = view(model).map((row) => row.map(({ text }) => text).join(''));
  assert.deepEqual(terminal.lines(), expected);
  assert.ok(terminal.alternateScreen);
  dashboard.close();
});

test('redraws at a new size', async () => {
  const terminal = new FakeTerminal(80, 24);
  const { dashboard } = withDashboard(terminal);
  await terminal.settled();
  for (const [width, height] of [
    [120, 40],
    [60, 12],
    [40, 10],
    [80, 24],
  ] as const) {
    terminal.resize(width, height);
    await terminal.settled();
    const lines = terminal.lines();
    assert.equal(lines.length, height);
    assert.match(lines[0] ?? '', /swarm/);
    assert.match(lines.at(-1) ?? '', /q quit/);
  }
  dashboard.close();
});

test('lets no name, client, tracker or log line reach the terminal as a command', async () => {
  const hostile = '\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x9b2J\x1bc\r\n{red-fg}\u202e👩‍👩‍👧';
  const of = new DemoEngine().snapshot();
  const torrents = of.torrents.map((torrent) => ({
    ...torrent,
    name: hostile,
    peers: torrent.peers.map((peer) => ({ ...peer, client: hostile })),
    trackers: torrent.trackers.map((tracker) => ({ ...tracker, url: hostile, message: hostile })),
    files: torrent.files.map((file) => ({ ...file, path: hostile })),
  }));
  const terminal = new FakeTerminal(160, 50);
  const log = [{ atMs: 0, level: 'warn' as const, text: hostile }];
  const { dashboard } = withDashboard(terminal, { ...of, torrents, log });
  await terminal.settled();
  assert.ok(terminal.written.includes('{red-fg}'), 'the names are on the screen');
  assert.doesNotMatch(terminal.written, /\x1b[\]c]|[\x07\x80-\x9f\u202e\u200d]/);
  const [, ...framed] = terminal.lines().slice(0, -1);
  for (const line of framed) assert.match(line, /^[╭│╰┏┃┗].*[╮│╯┓┃┛▐]$/);
  dashboard.close();
});

test('answers keys at once and hands Ctrl-C to its owner', async () => {
  const terminal = new FakeTerminal(80, 24);
  const { dashboard, quits } = withDashboard(terminal);
  await press(terminal, '?');
  assert.match(terminal.lines().join('\n'), /we download/);
  await press(terminal, '4');
  assert.match(terminal.lines().join('\n'), /no answer within 15 s/);
  await press(terminal, 'q');
  await press(terminal, '\x03');
  assert.equal(quits(), 2);
  dashboard.close();
});

test('keeps columns in place where the terminal measures characters differently', async () => {
  const terminal = new FakeTerminal(20, 3);
  const screen = withScreen(terminal);
  // The terminal at hand gives a cell to marks younger than its tables and one cell to old Hangul.
  const names = ['a\u1ab0b\u1ab0', '\ua960\ua960', 'ab'];
  screen.draw(names.map((name): Row => [span(name), span('|tail', 'down')]));
  await terminal.settled();
  assert.equal(terminal.cell(2, 0).text, '|');
  assert.equal(terminal.cell(4, 1).text, '|');
  assert.equal(terminal.cell(2, 2).text, '|');
  screen.draw([[span('12345')], [span('12345')], []]);
  screen.draw([[span('\ua960\ua960', 'down')], [span('12345')], []]);
  await terminal.settled();
  assert.equal(
    terminal.cell(1, 0).text.trim(),
    '',
    'nothing of the line before is left beside a wide character',
  );
  screen.close();
});

test('replaces wide characters without moving what stands behind them', async () => {
  const terminal = new FakeTerminal(20, 2);
  const screen = withScreen(terminal);
  for (const text of [
    '日月 one two',
    '本月 won two',
    'ab月 won',
    '月ab won too',
    'q\u0323日 won too',
    'plain',
  ]) {
    screen.draw([[span(text)], [span('below')]]);
    await terminal.settled();
    assert.deepEqual(
      terminal.lines().map((line) => line.trimEnd()),
      [text, 'below'],
    );
  }
  screen.close();
});

test('writes only what changed', async () => {
  const terminal = new FakeTerminal(80, 24);
  const screen = withScreen(terminal);
  const rows = (count: string): Row[] =>
    Array.from({ length: 24 }, (_, y) => [span(`line ${y} ${y === 7 ? count : ''}`)]);
  screen.draw(rows('one'));
  await terminal.settled();
  const before = terminal.written.length;
  screen.draw(rows('one'));
  await terminal.settled();
  assert.equal(terminal.written.length, before);
  screen.draw(rows('two'));
  await terminal.settled();
  assert.match(terminal.lines()[7] ?? '', /^line 7 two/);
  assert.doesNotMatch(terminal.written.slice(before), /line/);
  screen.close();
});

test('uses 256 colours, and none of them without colour', async () => {
  const rows: Row[] = [[span('down', 'down'), span(' strong', 'strong')], select([span('chosen')])];
  const coloured = new FakeTerminal(20, 2);
  const screen = withScreen(coloured);
  screen.draw(rows);
  await coloured.settled();
  assert.deepEqual(coloured.cell(0, 0), { text: 'd', fg: 86, bg: -1, bold: false, inverse: false });
  assert.equal(coloured.cell(0, 1).bg, 237);
  screen.close();

  const plain = new FakeTerminal(20, 2);
  const plainScreen = withScreen(plain, false);
  plainScreen.draw(rows);
  await plain.settled();
  assert.deepEqual(plain.cell(0, 0), { text: 'd', fg: -1, bg: -1, bold: false, inverse: false });
  assert.equal(plain.cell(5, 0).bold, true);
  assert.equal(plain.cell(0, 1).inverse, true);
  plainScreen.close();
});

test('gives the terminal back on close, once, and leaves no listener behind', async () => {
  const events = [
    'SIGTERM',
    'SIGINT',
    'SIGHUP',
    'SIGQUIT',
    'uncaughtException',
    'uncaughtExceptionMonitor',
    'exit',
  ];
  const listeners = () => events.map((event) => process.listenerCount(event));
  const before = listeners();
  const terminal = new FakeTerminal(80, 24);
  const { dashboard } = withDashboard(terminal);
  await terminal.settled();
  dashboard.close();
  await terminal.settled();
  assert.equal(terminal.alternateScreen, false);
  assert.ok(terminal.written.includes(SHOW_CURSOR));
  assert.ok(terminal.written.includes(NORMAL_SCREEN));
  const { length } = terminal.written;
  dashboard.close();
  await terminal.settled();
  assert.equal(terminal.written.length, length);
  assert.deepEqual(listeners(), before);
});

test('gives the terminal back before a crash is reported', () => {
  const terminal = new FakeTerminal(80, 24);
  const { dashboard } = withDashboard(terminal);
  // What the process does with an exception or rejection that nobody caught, before it prints it.
  (process as EventEmitter).emit('uncaughtExceptionMonitor', new Error('crash'));
  assert.ok(terminal.written.includes(NORMAL_SCREEN), 'in the same tick');
  dashboard.close();
});

test('asks its owner to leave when the terminal is gone', async () => {
  const terminal = new FakeTerminal(80, 24);
  const { dashboard, quits } = withDashboard(terminal);
  terminal.output.destroy(new Error('EIO'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(quits(), 1);
  dashboard.close();
});

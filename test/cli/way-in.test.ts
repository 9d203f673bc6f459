/** What `seed` says of whether others can connect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Output } from '../../cli/output.js';
import { tellWayIn, wayInLines } from '../../cli/way-in.js';
import type { Engine, EngineSnapshot } from '../../engine/index.js';
import { NO_PORT_MAPPING } from '../../engine/snapshot.js';
import { CommandLab } from '../support/command-lab.js';

const listen = { host: '::', port: 6881 };
const nothing = { how: null, externalHost: null, confirmed: false, reason: 'because', advice: null } as const;
const mapped = (externalHost: string | null): Parameters<typeof wayInLines>[0] => ({
  listen,
  reachability: { ...nothing, state: 'mapped', how: 'nat-pmp', externalHost },
  portMapping: {
    ...NO_PORT_MAPPING,
    state: 'mapped',
    mappings: [{ transport: 'tcp', internalPort: 6881, externalPort: 7000, leaseSeconds: 60 }],
  },
});

test('tells where the router lets others in, or why it does not and what to do', () => {
  const of = (reachability: EngineSnapshot['reachability']): string[] =>
    wayInLines({ listen, portMapping: NO_PORT_MAPPING, reachability });
  assert.deepEqual(wayInLines(mapped('8.8.4.4')), [
    '  way in     the router forwards 8.8.4.4:7000 (NAT-PMP)',
  ]);
  assert.deepEqual(wayInLines(mapped('2a00::1')), [
    '  way in     the router forwards [2a00::1]:7000 (NAT-PMP)',
  ]);
  assert.deepEqual(wayInLines(mapped(null)), ['  way in     the router forwards port 7000 (NAT-PMP)']);
  assert.deepEqual(of({ ...nothing, state: 'direct' }), ['  way in     direct: because']);
  assert.deepEqual(of({ ...nothing, state: 'outgoing only', advice: 'Do that.' }), [
    '  way in     none from the Internet: because',
    '             Do that.',
  ]);
});

test('tells also that it is not known, and whenever the reason or the advice changes', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const engine = { outside: mapped('8.8.4.4') };
  const events: unknown[] = [];
  const notes: string[] = [];
  const output = { event: (event: unknown) => events.push(event), note: (line: string) => notes.push(line) };
  const stop = tellWayIn(engine as Engine, true, output as unknown as Output);
  const doubted = { ...nothing, state: 'unknown', reason: 'others see us at 9.9.9.9' } as const;
  const news = [
    { ...doubted, advice: 'Do this.' },
    { ...doubted, advice: 'Do that.' },
    { ...doubted, state: 'outgoing only', advice: 'Do that.' },
  ] as const;
  t.mock.timers.tick(2_000);
  for (const reachability of news) {
    engine.outside = { ...engine.outside, reachability };
    t.mock.timers.tick(2_000);
  }
  engine.outside = { ...mapped('8.8.4.4'), portMapping: { ...NO_PORT_MAPPING, state: 'searching' } };
  t.mock.timers.tick(2_000);
  stop();
  assert.deepEqual(events, [
    { type: 'reachability', ...mapped('8.8.4.4').reachability },
    ...news.map((each) => ({ type: 'reachability', ...each })),
  ]);
  assert.deepEqual(notes.slice(1, 5), [
    '  way in     unknown: others see us at 9.9.9.9',
    '             Do this.',
    '  way in     unknown: others see us at 9.9.9.9',
    '             Do that.',
  ]);
});

test('seed tells it once, and only where others could come from', async (t) => {
  const lab = await CommandLab.create(t);
  const film = await lab.file('film', 1000);
  const seed = lab.start(['seed', film.source, '--json']);
  const { reason, advice } = await seed.event('reachability');
  assert.ok(reason !== '' && advice !== '');
  seed.child.kill('SIGINT');
  assert.equal((await seed.ended).stdout.split('"reachability"').length, 2);
});

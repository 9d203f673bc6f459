/** docs/json-events.md and the code agree: on the types, on their fields, and with what is really printed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Json, jsonLines } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';
import { projectRoot } from '../support/root.js';

const source = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

interface Documented {
  readonly type: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
  readonly example: string;
}

const documented: readonly Documented[] = source('docs/json-events.md')
  .split(/^### /m)
  .slice(1)
  .map((section) => {
    const [, type = ''] = /^`([a-z-]+)`\n/.exec(section) ?? [];
    const rows = [...section.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)];
    const isOptional = ([, , meaning = '']: RegExpMatchArray) => meaning.startsWith('optional');
    const names = (of: RegExpMatchArray[]) => of.map(([, name = '']) => name);
    return {
      type,
      required: names(rows.filter((row) => !isOptional(row))),
      optional: names(rows.filter(isOptional)),
      example: /^```json\n(.*)\n```$/m.exec(section)?.[1] ?? '',
    };
  });
const byType = new Map(documented.map((event) => [event.type, event]));

/** Fails unless the line has every field that is documented for its type, and no other. */
function assertDocumented(event: Json): void {
  const line = JSON.stringify(event).slice(0, 300);
  const known = byType.get(String(event.type));
  assert.ok(known !== undefined, `no such type: ${line}`);
  const fields = Object.keys(event).filter((name) => name !== 'type');
  for (const name of known.required) assert.ok(fields.includes(name), `no ${name}: ${line}`);
  for (const name of fields)
    assert.ok([...known.required, ...known.optional].includes(name), `${name} is not documented: ${line}`);
}

test('every event that the code can print is documented, and no other', () => {
  const typesIn = (text: string) => [...text.matchAll(/\btype: '([a-z-]+)'/g)].map(([, type = '']) => type);
  const ofTorrents = source('engine/snapshot.ts').split('export type TorrentEvent')[1] ?? '';
  const declared = new Set([...typesIn(source('cli/events.ts')), ...typesIn(ofTorrents)]);
  // Not told by the command line.
  declared.delete('piece');
  assert.ok(declared.size > 20);
  assert.deepEqual([...byType.keys()].sort(), [...declared].sort());
  assert.equal(documented.length, byType.size, 'none is documented twice');
});

test('every example is a line of its type with the fields documented', () => {
  for (const { type, example } of documented) {
    const event = JSON.parse(example) as Json;
    assert.equal(event.type, type);
    assertDocumented(event);
    assert.equal(JSON.stringify(event), example, 'on one line, as it is printed');
  }
});

describe('what is printed is what is documented', { concurrency: 3, timeout: 60_000 }, () => {
  const check = (stdout: string, ...expected: string[]) => {
    const events = jsonLines(stdout);
    for (const event of events) assertDocumented(event);
    const types = new Set(events.map(({ type }) => type));
    assert.deepEqual(
      expected.filter((type) => !types.has(type)),
      [],
    );
  };

  test('by get and seed', async (t) => {
    const lab = await CommandLab.create(t);
    const tracker = await lab.tracker();
    const saved = join(lab.folder, 'saved.torrent');
    const film = await lab.file('film', 100_000);
    const flags = ['--tracker', tracker, '--save-torrent', saved, '--listen', '127.0.0.1:0', '--json'];
    const seed = lab.start(['seed', film.source, ...flags]);
    await seed.event('tracker', ({ state }) => state === 'working');
    const { stdout } = await lab.expect(0, ['get', saved, '--json', '--seed-time', '0s']);
    check(stdout, 'added', 'checked', 'tracker', 'peers-found', 'peer-connected', 'complete', 'summary');
    await seed.event('peer-disconnected');
    await seed.event('progress');
    seed.child.kill('SIGINT');
    check((await seed.ended).stdout, 'added', 'seeding', 'progress', 'peer-disconnected', 'summary');
  });

  test('by a get that fails, and one that is interrupted', async (t) => {
    const lab = await CommandLab.create(t);
    const [film, other] = [await lab.file('film', 1000), await lab.torrentOf('other', { a: 1000 })];
    await writeFile(join(lab.here, 'other'), 'in the way');
    const failed = ['get', film.file, other.file, join(lab.folder, 'none'), '--timeout', '1s', '--json'];
    const { stdout } = await lab.start(failed).ended;
    check(stdout, 'error', 'summary');
    const errors = jsonLines(stdout).filter(({ type }) => type === 'error');
    assert.equal(errors.filter(({ source }) => source !== undefined).length, 1);
    assert.equal(errors.filter(({ infoHash }) => infoHash === other.metainfo.infoHash).length, 1);
    const run = lab.start(['get', film.file, '--json']);
    await run.event('progress');
    run.child.kill('SIGTERM');
    check((await run.ended).stdout, 'progress', 'summary', 'interrupted');
  });

  test('by create, info and verify', async (t) => {
    const lab = await CommandLab.create(t);
    const film = await lab.file('film', 1000, 'http://127.0.0.1:1/announce');
    check((await lab.expect(0, ['create', film.source, '--json'])).stdout, 'hashing', 'created');
    check((await lab.expect(0, ['info', film.file, '--json'])).stdout, 'torrent');
    const link = `magnet:?xt=urn:btih:${film.metainfo.infoHash}&so=0`;
    check((await lab.expect(0, ['info', link, '--json'])).stdout, 'magnet');
    const at = ['--out', join(lab.folder, 'source')];
    check((await lab.expect(0, ['verify', film.file, ...at, '--json'])).stdout, 'file', 'verified');
    check((await lab.expect(6, ['verify', film.file, '--json'])).stdout, 'file', 'verified');
  });

  test('by tracker and demo', async (t) => {
    const lab = await CommandLab.create(t);
    const tracker = lab.start(['tracker', '--http', '127.0.0.1:0', '--json']);
    await tracker.event('stats');
    tracker.child.kill('SIGINT');
    check((await tracker.ended).stdout, 'listening', 'stats', 'stopped');
    const demo = await lab.expect(0, ['demo', '--size', '2M', '--up', '2M', '--json']);
    check(demo.stdout, 'added', 'demo-progress', 'demo-complete');
  });
});

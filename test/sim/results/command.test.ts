/** `npm run sim:report`: from the simulator's files to a page, and again without them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const run = (script: string, ...args: string[]) =>
  spawnSync(
    process.execPath,
    [fileURLToPath(new URL(`../../../sim/${script}.js`, import.meta.url)), ...args],
    {
      encoding: 'utf8',
    },
  );

const contents = (folder: string): [string, string][] =>
  readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]);

test('real figures become a page, the same when drawn anew, and no drawing of before stays', () => {
  const folder = mkdtempSync(join(tmpdir(), 'swarm-report-'));
  try {
    const json = join(folder, 'pair.json');
    const out = join(folder, 'out');
    assert.equal(run('main', 'pair', '--policy', 'swarm', '--policy', 'classic', '--json', json).status, 0);
    const { status, stdout, stderr } = run('results/main', '--out', out, json);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /README\.md and 3 drawings, from 2 rows/);
    const made = contents(out);
    assert.match(made[0]?.[1] ?? '', /^npm run sim -- pair --policy swarm --policy classic --json /m);
    writeFileSync(join(out, 'old.svg'), '');
    assert.equal(run('results/main', '--out', out).status, 0);
    assert.deepEqual(contents(out), made);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('says what was not understood, and leaves the folder as it was', () => {
  const folder = mkdtempSync(join(tmpdir(), 'swarm-report-'));
  try {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, '[{}]');
    writeFileSync(join(folder, 'old.svg'), '');
    for (const [args, words] of [
      [[], /--out FOLDER is missing/],
      [['--out', folder], /no such file.*results\.json/],
      [['--out', folder, bad], /bad\.json: run 1: bad "scenario"/],
      [['--out', folder, '--wide'], /--wide/],
    ] as const) {
      const { status, stderr } = run('results/main', ...args);
      assert.equal(status, 2);
      assert.match(stderr, words);
    }
    assert.deepEqual(readdirSync(folder).sort(), ['bad.json', 'old.svg']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** `swarm demo` as a program: a whole swarm, verified, and nothing left behind. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { jsonLines } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';

const MIB = 1024 * 1024;

describe('swarm demo', { timeout: 60_000 }, () => {
  test('moves a folder to three leechers, verifies every copy and removes them', async (t) => {
    const lab = await CommandLab.create(t);
    const { stdout, stderr } = await lab.expect(0, ['demo', '--size', '4M', '--up', '8M', '--json'], {
      env: { TMPDIR: lab.here },
    });
    const events = jsonLines(stdout);
    const total = Number(events.find(({ type }) => type === 'added')?.totalBytes);
    assert.ok(Math.abs(total - 4 * MIB) < 64 * 1024, `${total} bytes`);
    const last = events.at(-1) ?? {};
    assert.deepEqual([last.type, last.copies], ['demo-complete', 3]);
    // Three copies arrived, and the seed did not have to send all of them.
    assert.ok(Number(last.sentBySeedBytes) + Number(last.sentByLeechersBytes) >= 3 * total);
    assert.ok(Number(last.sentByLeechersBytes) > 0);
    assert.match(stderr, /^complete: 3 copies in \d+\.\ds, .*\/s in all, verified$/m);
    assert.match(stderr, /^the seed sent .* copies\)\nthe leechers sent each other .* copies\)$/m);
    assert.deepEqual(await readdir(lab.here), []);
  });

  test('Ctrl-C ends it with 130 and leaves nothing behind', async (t) => {
    const lab = await CommandLab.create(t);
    const run = lab.start(['demo', '--size', '64M', '--up', '1M', '--json'], { env: { TMPDIR: lab.here } });
    await run.event('demo-progress');
    run.child.kill('SIGINT');
    const { code, stdout, stderr } = await run.ended;
    assert.equal(code, 130, stderr);
    assert.equal(jsonLines(stdout).at(-1)?.type, 'interrupted');
    assert.deepEqual(await readdir(lab.here), []);
  });

  test('a terminal that is closed leaves nothing behind, either', async (t) => {
    const lab = await CommandLab.create(t);
    const run = lab.start(['demo', '--size', '64M', '--up', '1M'], { env: { TMPDIR: lab.here } });
    await run.said(/go from the seed to everybody/);
    run.child.kill('SIGHUP');
    assert.equal((await run.ended).code, 130);
    assert.deepEqual(await readdir(lab.here), []);
  });

  test('refuses a wrong command line with 2', async (t) => {
    const lab = await CommandLab.create(t);
    for (const wrong of [
      ['x'],
      ['--size', 'big'],
      ['--up', '-1'],
      ['--size', '0'],
      ['--size', '4P'],
      ['--tui'],
    ])
      await lab.expect(2, ['demo', ...wrong]);
  });
});

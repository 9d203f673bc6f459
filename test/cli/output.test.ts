import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { asciiJson } from '../../cli/output.js';
import { jsonLines, runCli } from '../support/cli.js';
import { commandFile } from '../support/root.js';

test('JSON is pure ASCII, whatever is in it, and says the same', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const line = asciiJson(json);
      assert.match(line, /^[\x20-\x7e]*$/);
      assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(json)));
    }),
  );
  assert.equal(
    asciiJson('\x1b]52;\x9b2J\u202e😀\ud800'),
    '"\\u001b]52;\\u009b2J\\u202e\\ud83d\\ude00\\ud800"',
  );
  assert.equal(asciiJson({ big: 2n ** 64n }), '{"big":"18446744073709551616"}');
});

test('help is a result on stdout, a usage error news on stderr', async () => {
  const help = await runCli(['--help']);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /create .*\n.*info .*\n.*verify .*\n.*tracker /);
  const nothing = await runCli([]);
  assert.deepEqual([nothing.code, nothing.stdout, nothing.stderr], [2, '', help.stdout]);
  for (const name of ['get', 'seed', 'create', 'info', 'verify', 'tracker', 'demo']) {
    const { code, stdout } = await runCli([name, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`Usage: swarm ${name}[\\s\\S]*Options:[\\s\\S]*Examples:`));
    assert.equal((await runCli(['help', name])).stdout, stdout);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
  }
});

test('the usage line shows what may be given several times', async () => {
  assert.match((await runCli(['get', '--help'])).stdout, /^Usage: swarm get SOURCE… \[options\]\n/);
  assert.match((await runCli(['seed', '--help'])).stdout, /^Usage: swarm seed PATH… \[options\]\n/);
  assert.match((await runCli(['create', '--help'])).stdout, /^Usage: swarm create PATH \[options\]\n/);
});

test('an unknown command is a usage error with a guess', async () => {
  const { code, stderr } = await runCli(['verfiy', 'x']);
  assert.equal(code, 2);
  assert.equal(stderr, 'error: swarm has no command "verfiy"\nDid you mean swarm verify?\n');
  for (const name of ['__proto__', 'toString', '--nope', ''])
    assert.equal((await runCli([name])).code, 2, name);
});

test('an error is one JSON event on stdout with --json, and its text on stderr', async () => {
  const { code, stdout, stderr } = await runCli(['info', '/no/such/file', '--json', '--quiet']);
  assert.equal(code, 3);
  assert.deepEqual(jsonLines(stdout), [
    {
      type: 'error',
      code: 'INPUT_NOT_FOUND',
      message: 'cannot read /no/such/file (ENOENT)',
      hint: 'There is no such file or folder.',
    },
  ]);
  assert.equal(stderr, 'error: cannot read /no/such/file (ENOENT)\nThere is no such file or folder.\n');
});

test('a stdout that is full ends the command with 5, and a reason', async (t) => {
  if (!existsSync('/dev/full')) return t.skip('needs /dev/full');
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const { status, stderr } = spawnSync(process.execPath, [commandFile, '--help'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [5, 'error: stdout cannot be written to (ENOSPC)\n']);
});

test('a current folder that is gone is said to be', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'swarm-gone-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const script = 'rmdir "$1" && exec "$2" "$3" get x.torrent';
  const argv = ['-c', script, 'sh', folder, process.execPath, commandFile];
  const { status, stderr } = spawnSync('sh', argv, { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 5);
  assert.match(stderr, /^error: the current folder has been deleted\n/);
});

test('an error cannot drive the terminal with what it quotes', async () => {
  const { stderr } = await runCli(['info', '/no/\x1b]52;c;x\x07\x9b2J\u202efile']);
  const [message = '', hint, ...more] = stderr.split('\n');
  assert.doesNotMatch(message, /[\x00-\x1f\x7f-\x9f\u202e]/);
  assert.deepEqual([hint, ...more], ['There is no such file or folder.', '']);
});

test('colours appear on a terminal only, and not with NO_COLOR or a dumb one', async () => {
  const coloured = async (tty: boolean, env: Record<string, string>) =>
    (await runCli(['nope'], { tty, env })).stderr.includes('\x1b[31m');
  assert.equal(await coloured(true, { TERM: 'xterm' }), true);
  assert.equal(await coloured(true, { TERM: 'xterm', NO_COLOR: '' }), true);
  assert.equal(await coloured(true, { TERM: 'xterm', NO_COLOR: '1' }), false);
  assert.equal(await coloured(true, { TERM: 'dumb' }), false);
  assert.equal(await coloured(false, { TERM: 'xterm' }), false);
});

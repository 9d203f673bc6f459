/** On a real terminal (tmux): however the process ends, the terminal is as it was before. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { requireClient } from '../support/clients.js';

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../support/dashboard-process.js', import.meta.url));
/** Alternate screen, cursor, keypad modes, mouse. */
const MODES =
  '#{alternate_on} #{cursor_flag} #{keypad_flag} #{keypad_cursor_flag} #{mouse_any_flag} #{scroll_region_lower}';

interface Ending {
  readonly how: string;
  /** Keys pressed, as tmux names them. */
  readonly keys?: string;
  readonly signal?: NodeJS.Signals;
  /** As the shell sees it. */
  readonly status: number;
  /** Left on the normal screen. */
  readonly prints?: RegExp;
}

const ENDINGS: readonly Ending[] = [
  { how: 'q', keys: 'q', status: 0 },
  { how: 'Ctrl-C', keys: 'C-c', status: 0 },
  { how: 'an exception that nobody caught', signal: 'SIGUSR1', status: 1, prints: /thrown on purpose/ },
  { how: 'a rejection that nobody handled', signal: 'SIGUSR2', status: 1, prints: /rejected on purpose/ },
  { how: 'SIGTERM', signal: 'SIGTERM', status: 143 },
  { how: 'SIGINT', signal: 'SIGINT', status: 130 },
  { how: 'SIGHUP', signal: 'SIGHUP', status: 129 },
];

describe('the terminal', { concurrency: 4 }, () => {
  for (const ending of ENDINGS) {
    test(`is given back after ${ending.how}`, async (t) => {
      if (requireClient(t, 'tmux')) await endsClean(t, ending);
    });
  }
});

async function endsClean(t: TestContext, { keys, signal, status, prints }: Ending): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'swarm-terminal-'));
  const socket = join(folder, 'tmux');
  const tmux = async (...args: string[]) =>
    (await run('tmux', ['-S', socket, ...args], { timeout: 8_000 })).stdout;
  t.after(async () => {
    await tmux('kill-server').catch(() => {});
    await rm(folder, { recursive: true, force: true });
  });
  const tell = (event: string) => `tmux -S '${socket}' wait-for -S ${event}`;
  const script = [
    `cd '${folder}'`,
    'stty -a > before',
    `tmux -S '${socket}' display-message -p '${MODES}' > modes`,
    `'${process.execPath}' '${PROGRAM}' pid "${tell('ready')}"`,
    'echo $? > status',
    'stty -a > after',
    tell('ended'),
    'exec cat',
  ].join('; ');
  await tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '30', 'sh', '-c', script);
  const modes = () => tmux('display-message', '-p', MODES);
  const file = async (name: string) => (await readFile(join(folder, name), 'utf8')).trim();

  await tmux('wait-for', 'ready');
  assert.match(await modes(), /^1 0 /, 'on the alternate screen, cursor hidden');
  assert.match(await tmux('capture-pane', '-p'), /swarm.*peers/);
  if (keys !== undefined) await tmux('send-keys', keys);
  if (signal !== undefined) process.kill(Number(await file('pid')), signal);
  await tmux('wait-for', 'ended');

  assert.equal((await modes()).trim(), await file('modes'));
  assert.equal(await file('after'), await file('before'));
  assert.equal(Number(await file('status')), status);
  const screen = await tmux('capture-pane', '-p');
  assert.doesNotMatch(screen, /torrents/);
  if (prints !== undefined) assert.match(screen, prints);
}

/** On a real terminal (tmux): the live view of `get`, and `--tui`, which gives the terminal back. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { requireClient } from '../support/clients.js';
import { CommandLab } from '../support/command-lab.js';
import { commandFile } from '../support/root.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const COMMAND = `'${process.execPath}' '${commandFile}'`;

/** A shell in tmux, in the lab's folder. */
class Terminal {
  readonly #socket: string;

  private constructor(readonly lab: CommandLab) {
    this.#socket = join(lab.folder, 'tmux');
  }

  /** Runs `swarm …line`, then writes its exit code and the tty's settings to files. */
  static async run(
    lab: CommandLab,
    line: string,
    [columns, rows]: readonly [number, number],
  ): Promise<Terminal> {
    const terminal = new Terminal(lab);
    lab.after(() => terminal.tmux('kill-server').catch(() => {}));
    const script = [
      `cd '${lab.here}'`,
      `export XDG_STATE_HOME='${join(lab.folder, 'state')}'`,
      // Ctrl-C is for the command alone.
      'trap : INT',
      // Its first line is the size.
      'stty -a | sed 1d > ../before',
      `${COMMAND} ${line}`,
      'echo $? > ../status',
      'stty -a | sed 1d > ../after',
      `tmux -S '${terminal.#socket}' wait-for -S ended`,
      'exec cat',
    ].join('; ');
    const size = ['-x', String(columns), '-y', String(rows)];
    await terminal.tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'sh', '-c', script);
    return terminal;
  }

  async tmux(...args: string[]): Promise<string> {
    return (await run('tmux', ['-S', this.#socket, ...args], { timeout: 20_000 })).stdout;
  }

  async screen(): Promise<string> {
    return this.tmux('capture-pane', '-p');
  }

  /** The screen, as soon as it matches. */
  async shows(pattern: RegExp): Promise<string> {
    for (let tries = 0; tries < 200; tries++) {
      const screen = await this.screen();
      if (pattern.test(screen)) return screen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never showed ${pattern}:\n${await this.screen()}`);
  }

  /** @returns the exit code */
  async ended(): Promise<number> {
    await this.tmux('wait-for', 'ended');
    const file = async (name: string) => (await readFile(join(this.lab.folder, name), 'utf8')).trim();
    assert.equal(await file('after'), await file('before'), 'the terminal is as it was');
    const modes = await this.tmux(
      'display-message',
      '-p',
      '#{alternate_on} #{cursor_flag} #{mouse_any_flag}',
    );
    assert.equal(modes.trim(), '0 1 0', 'normal screen, cursor shown, no mouse');
    return Number(await file('status'));
  }
}

async function slowSeed(t: TestContext, bytes = 2 * MIB) {
  const lab = await CommandLab.create(t);
  const film = await lab.file('film', bytes);
  return { lab, film, peer: await lab.seed([film], { uploadBytesPerSecond: MIB }) };
}

describe('on a terminal', { concurrency: 3, timeout: 60_000 }, () => {
  test('get redraws one line while it downloads, and leaves a summary', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const { lab, film, peer } = await slowSeed(t);
    const terminal = await Terminal.run(lab, `get ${film.file} --peer ${peer}`, [80, 20]);
    const live = await terminal.shows(/━.* %.*↓.*eta/);
    assert.match(live, /^downloading film, 2\.00 MiB in 128 pieces → \.\/film\n {2}━*╸?─* +\d+\.\d %/);
    assert.match(live, /^.*\n.*1 peer\s*$/, 'and nothing else');
    assert.equal(await terminal.ended(), 0);
    assert.match(await terminal.screen(), /^downloading film.*\ncomplete film: 2\.00 MiB in .*\n+$/);
  });

  test('a window that becomes narrower leaves nothing behind', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const { lab, film, peer } = await slowSeed(t, 4 * MIB);
    const terminal = await Terminal.run(lab, `get ${film.file} --peer ${peer}`, [120, 20]);
    await terminal.shows(/MiB of 4\.00 MiB.*↓/);
    await terminal.tmux('resize-window', '-x', '50');
    const narrow = await terminal.shows(/━.* % {2}↓ .*eta \S+\s*$/);
    assert.equal(narrow.match(/↓/g)?.length, 1, narrow);
    assert.equal(await terminal.ended(), 0);
  });

  test('Ctrl-C leaves a line that says how to go on', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const { lab, film, peer } = await slowSeed(t, 8 * MIB);
    const terminal = await Terminal.run(lab, `get ${film.file} --peer ${peer}`, [80, 20]);
    await terminal.shows(/━.* %.*↓/);
    await terminal.tmux('send-keys', 'C-c');
    assert.equal(await terminal.ended(), 130);
    assert.match(
      await terminal.screen(),
      /\n(\^C)?stopped at .* %, .* of 8\.00 MiB; run the same command to go on\n/,
    );
  });

  for (const flag of ['', '--tui']) {
    test(`says goodbye to the tracker when the terminal is closed ${flag}`, async (t) => {
      if (!requireClient(t, 'tmux')) return;
      const lab = await CommandLab.create(t);
      const announces = new EventEmitter();
      const server = createServer((request, response) => {
        response.end('d8:intervali1800e5:peers0:e');
        announces.emit(new URL(request.url ?? '', 'http://x').searchParams.get('event') ?? '');
      }).listen(0, '127.0.0.1');
      lab.after(() => void server.close());
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const film = await lab.file('film', 1000, `http://127.0.0.1:${port}/announce`);
      const started = once(announces, 'started');
      const stopped = once(announces, 'stopped');
      const terminal = await Terminal.run(lab, `get ${film.file} ${flag}`, [80, 20]);
      await started;
      await terminal.shows(/know of no other peer/);
      await terminal.tmux('kill-server');
      await stopped;
    });
  }

  test('get --tui shows the dashboard; when all is there the terminal is back, with the summary', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const { lab, film, peer } = await slowSeed(t);
    const terminal = await Terminal.run(lab, `get ${film.file} --peer ${peer} --tui`, [100, 30]);
    await terminal.shows(/film[\s\S]*peers/i);
    assert.equal((await terminal.tmux('display-message', '-p', '#{alternate_on}')).trim(), '1');
    assert.equal(await terminal.ended(), 0);
    const screen = await terminal.screen();
    assert.match(screen, /^downloading film/m);
    assert.match(screen, /^complete film: 2\.00 MiB/m);
    await lab.assertGot(film);
  });

  for (const key of ['q', 'C-c']) {
    test(`${key} leaves the dashboard of an unfinished download with 130`, async (t) => {
      if (!requireClient(t, 'tmux')) return;
      const { lab, film, peer } = await slowSeed(t, 16 * MIB);
      const terminal = await Terminal.run(lab, `get ${film.file} --peer ${peer} --tui`, [100, 30]);
      await terminal.shows(/downloading/);
      await terminal.tmux('send-keys', key);
      assert.equal(await terminal.ended(), 130);
      assert.match(await terminal.screen(), /^stopped at .*; run the same command to go on$/m);
    });
  }

  test('q leaves the dashboard of seed with 0', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const lab = await CommandLab.create(t);
    await writeFile(join(lab.here, 'file'), 'content');
    const terminal = await Terminal.run(lab, 'seed file --tui', [100, 30]);
    await terminal.shows(/seeding/i);
    await terminal.tmux('send-keys', 'q');
    assert.equal(await terminal.ended(), 0);
    assert.match(await terminal.screen(), /^seeding file, 7 B in 1 piece$/m);
  });

  test('q ends the demo', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const lab = await CommandLab.create(t);
    const terminal = await Terminal.run(lab, 'demo --size 8M --up 4M --tui', [100, 30]);
    await terminal.shows(/anna[\s\S]*peers/i);
    await terminal.tmux('send-keys', 'q');
    assert.equal(await terminal.ended(), 130);
  });

  test('--no-tui wins over --tui', async (t) => {
    if (!requireClient(t, 'tmux')) return;
    const { lab, film, peer } = await slowSeed(t, MIB);
    const terminal = await Terminal.run(lab, `get ${film.file} --peer ${peer} --tui --no-tui`, [80, 20]);
    assert.equal(await terminal.ended(), 0);
    assert.match(await terminal.screen(), /^downloading film.*\ncomplete film/);
  });
});

/** Victim: starts the engine that is attacked in a process of its own, and looks at its memory. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AddOptions, EngineOptions } from '../../engine/index.js';
import { buildRoot } from '../support/root.js';
import { Attacker, type AttackerOptions, HOST } from './attacker.js';
import type { Battlefield } from './battlefield.js';
import type { VictimOrder, VictimReport } from './victim-child.js';

/** Attackers that connect at once: the listener lets one host have 16 handshakes under way. */
const WAVE = 8;

export class Victim {
  port = 0;
  readonly #child: ChildProcess;
  readonly #infoHash: string;
  readonly #reports: VictimReport[] = [];
  #dead: string | undefined;
  #wake: () => void = () => {};

  private constructor(child: ChildProcess, infoHash: string) {
    this.#child = child;
    this.#infoHash = infoHash;
    child.on('message', (report: VictimReport) => {
      this.#reports.push(report);
      this.#wake();
    });
    child.on('exit', (code, signal) => {
      this.#dead = `the victim died (${code ?? signal})`;
      this.#wake();
    });
  }

  static async start(field: Battlefield, add: AddOptions, engine: EngineOptions = {}): Promise<Victim> {
    const torrentFile = join(field.base, 'victim.torrent');
    await writeFile(torrentFile, field.torrentFile);
    const child = fork(join(buildRoot, 'test/hostile/victim-child.js'), { execArgv: [] });
    field.scope.after(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    const victim = new Victim(child, field.metainfo.infoHash);
    const stateDir = join(field.base, 'state-victim');
    const order: VictimOrder = { engine: { listenHost: HOST, stateDir, ...engine }, torrentFile, add };
    child.send(order);
    victim.port = (await victim.told('listening')).port;
    return victim;
  }

  get address(): { host: string; port: number } {
    return { host: HOST, port: this.port };
  }

  /** The first report of that type, now or later. @throws when the victim died or failed */
  async told<T extends VictimReport['type']>(type: T): Promise<Extract<VictimReport, { type: T }>> {
    for (;;) {
      const at = this.#reports.findIndex((report) => report.type === type);
      if (at >= 0) return this.#reports.splice(at, 1)[0] as Extract<VictimReport, { type: T }>;
      const failed = this.#reports.find((report) => report.type === 'failed');
      if (failed !== undefined) throw new Error(failed.message);
      if (this.#dead !== undefined) throw new Error(this.#dead);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async memory(): Promise<Extract<VictimReport, { type: 'memory' }>> {
    this.#child.send('memory');
    return this.told('memory');
  }

  /** `count` attackers, shaken hands with. */
  async attackers(count: number, options: AttackerOptions = {}): Promise<Attacker[]> {
    const attackers: Attacker[] = [];
    while (attackers.length < count) {
      const wave = Array.from({ length: Math.min(WAVE, count - attackers.length) }, () =>
        Attacker.to(this.port, this.#infoHash, options),
      );
      for (const attacker of await Promise.all(wave)) {
        await attacker.shaken;
        attackers.push(attacker);
      }
    }
    return attackers;
  }
}

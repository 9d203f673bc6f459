/** Cleaning up in the reverse order of setting up: a client is stopped before its folder is removed. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from './clients.js';

export class CleanUp implements Scope {
  #steps: (() => unknown)[] = [];

  after(cleanUp: () => unknown): void {
    this.#steps.push(cleanUp);
  }

  /** Runs every step, the latest first, and then throws the first fault there was. */
  async run(): Promise<void> {
    const faults: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (thrown) {
        faults.push(thrown);
      }
    }
    if (faults.length > 0) throw faults[0];
  }
}

/** Runs when the test ends. */
export function cleanUpOf(t: Scope): CleanUp {
  const cleanUp = new CleanUp();
  t.after(() => cleanUp.run());
  return cleanUp;
}

/** Those that are there, so that none outlives us. */
const folders = new Set<string>();
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder of its own, removed at the end. */
export async function temporaryFolder(scope: Scope, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'swarm-test-'));
  folders.add(folder);
  scope.after(async () => {
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  });
  return folder;
}

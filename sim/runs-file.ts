/** Runs file: the JSON of all runs so far. At any time the file holds what was last written, whole. */
import { closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import type { MeasuredRun } from './table.js';

export class RunsFile {
  readonly path: string;
  readonly #target: string;
  readonly #part: string;
  readonly #lines: string[] = [];

  /** Changes nothing yet; throws an Error that says why when it could not. */
  constructor(path: string) {
    this.path = path;
    const status = attempt(path, () => statSync(path, { throwIfNoEntry: false }));
    // The file takes its name's place, whatever had it: a device, too.
    if (status !== undefined && !status.isFile()) throw new Error(`${path} is not a file`);
    this.#target = status === undefined ? path : realpathSync(path);
    this.#part = `${this.#target}.${process.pid}.part`;
    attempt(path, () => closeSync(openSync(this.#part, 'w')));
    rmSync(this.#part);
  }

  add(run: MeasuredRun): void {
    this.#lines.push(JSON.stringify(run));
  }

  /** Throws an Error that says why it cannot. */
  write(): void {
    try {
      attempt(this.path, () => {
        this.#writePart();
        renameSync(this.#part, this.#target);
      });
    } catch (error) {
      rmSync(this.#part, { force: true });
      throw error;
    }
  }

  #writePart(): void {
    const file = openSync(this.#part, 'w');
    try {
      // A run a line, each by itself: thousands together are longer than a string can be.
      this.#lines.forEach((line, i) => {
        writeAll(file, `${i === 0 ? '[\n' : ',\n'}${line}`);
      });
      writeAll(file, '\n]\n');
    } finally {
      closeSync(file);
    }
  }
}

/** Its errors name the file that was asked for, not the one beside it. */
function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const text = error instanceof Error ? error.message : `${error}`;
    throw new Error(`${path} cannot be written: ${/^[A-Z]+: (.*?), \w+/.exec(text)?.[1] ?? text}`);
  }
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

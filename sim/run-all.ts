/** Run all: one run after the other, whatever becomes of those before; what succeeds is in the file at once. */
import { CheckFailed } from './checks.js';
import type { RunsFile } from './runs-file.js';
import type { RunOptions } from './simulation.js';
import type { MeasuredRun } from './table.js';

/** Of the time, that writing may take: with a thousand runs in the file, it is not written after each. */
const WRITING_SHARE = 0.1;

export interface RunAllParts {
  run(options: RunOptions): MeasuredRun;
  readonly file: Pick<RunsFile, 'add' | 'write'>;
  /** A line or more, for who waits. */
  say(text: string): void;
  /** Real time, in milliseconds. */
  now(): number;
}

export interface Outcome {
  readonly runs: readonly MeasuredRun[];
  /** The commands that run again what failed. */
  readonly failed: readonly string[];
  /** Whether the file has all runs; without any it is as it was. */
  readonly isWritten: boolean;
}

export function runAll(all: Iterable<RunOptions>, { run, file, say, now }: RunAllParts): Outcome {
  const runs: MeasuredRun[] = [];
  const failed: string[] = [];
  const write = (): boolean => {
    try {
      file.write();
      return true;
    } catch (error) {
      say(messageOf(error));
      return false;
    }
  };
  let isWritten = true;
  let nextWriteAt = Number.NEGATIVE_INFINITY;
  for (const options of all) {
    const what = `${options.scenario.name} ${options.policy.name} seed ${options.seed}`;
    try {
      const result = run(options);
      runs.push(result);
      file.add(result);
      say(`${what}: ${successText(result)}`);
    } catch (error) {
      failed.push(options.replay);
      say(`${what}: ${failureText(error, options.replay)}`);
      continue;
    }
    const startedAt = now();
    isWritten = startedAt >= nextWriteAt && write();
    if (!isWritten) continue;
    const endedAt = now();
    nextWriteAt = endedAt + (endedAt - startedAt) / WRITING_SHARE;
  }
  // What could not be written before, perhaps now.
  return { runs, failed, isWritten: isWritten || write() };
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);

const successText = ({ lastSeconds, lastOverLeast, wallSeconds }: MeasuredRun): string =>
  `last ${lastSeconds.toFixed(0)} s, ${lastOverLeast.toFixed(3)} × T_min, ${wallSeconds.toFixed(1)} s of real time`;

/** A failed check says itself what runs it again. */
function failureText(error: unknown, replay: string): string {
  if (error instanceof CheckFailed) return error.message;
  const stack = error instanceof Error ? error.stack : undefined;
  return `${stack ?? messageOf(error)}\nagain: ${replay}`;
}

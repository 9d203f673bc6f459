/** Choosing files: what `--files` means, as numbers that `swarm info` shows or as a glob on paths. */
import picomatch from 'picomatch';
import type { MetainfoFile } from '../engine/index.js';
import { UsageError } from './command.js';

/** A glob longer than this is no glob. */
const MAX_PATTERN = 1_000;

/**
 * `1,3-5` or a glob; a glob without a slash looks at file names, one with a slash at whole paths.
 * @returns wanted or not, in torrent order
 * @throws UsageError when nothing is chosen
 */
export function chooseFiles(choice: string, files: readonly MetainfoFile[]): boolean[] {
  const wanted = /^[\d,\s-]+$/.test(choice) ? byNumber(choice, files.length) : byGlob(choice, files);
  if (!wanted.includes(true)) {
    throw new UsageError(`--files: "${choice}" is no file of the torrent`, 'See swarm info FILE.');
  }
  return wanted;
}

function byNumber(choice: string, count: number): boolean[] {
  const wanted = new Array<boolean>(count).fill(false);
  for (const part of choice.split(',')) {
    const match = /^\s*(\d{1,9})(?:-(\d{1,9}))?\s*$/.exec(part);
    if (match === null) throw new UsageError(`--files: expected numbers such as 1,3-5, got "${choice}"`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first < 1 || last > count || first > last) {
      throw new UsageError(`--files: the torrent has files 1 to ${count}, got "${part.trim()}"`);
    }
    wanted.fill(true, first - 1, last);
  }
  return wanted;
}

function byGlob(choice: string, files: readonly MetainfoFile[]): boolean[] {
  if (choice.length > MAX_PATTERN) throw new UsageError('--files: the pattern is too long');
  const matches = picomatch(choice, { dot: true, basename: !choice.includes('/') });
  return files.map(({ diskPath, path }) => matches(diskPath) || matches(path.join('/')));
}

/** Choosing files: what `--files` means, as numbers that `swarm info` shows or as a glob on paths. */
import picomatch from 'picomatch';
import type { MetainfoFile } from '../engine/index.js';
import { UsageError } from './command.js';
import { count, plural } from './words.js';

/** A glob longer than this is no glob. */
const MAX_PATTERN = 1_000;
const SEE_INFO = 'swarm info FILE numbers them.';

/**
 * `0,2-5` or a glob; a glob without a slash looks at file names, one with a slash at whole paths.
 * @returns wanted or not, in torrent order
 * @throws UsageError when nothing is chosen
 */
export function chooseFiles(choice: string, files: readonly MetainfoFile[]): boolean[] {
  const wanted = /^[\d,\s-]+$/.test(choice) ? byNumber(choice, files.length) : byGlob(choice, files);
  if (!files.some(({ padding }, index) => wanted[index] === true && !padding)) {
    throw new UsageError(`--files: no file of the torrent is "${choice}"`, SEE_INFO);
  }
  return wanted;
}

/**
 * What a magnet link chooses (BEP 53). What the torrent does not have is left out.
 * @throws UsageError when nothing is left
 */
export function chosenByLink(
  ranges: readonly (readonly [first: number, last: number])[],
  files: readonly MetainfoFile[],
): boolean[] {
  const wanted = files.map((_, index) => ranges.some(([first, last]) => index >= first && index <= last));
  if (files.some(({ padding }, index) => wanted[index] === true && !padding)) return wanted;
  const has = `the torrent has ${plural(files.length, 'file')}, 0 to ${count(files.length - 1)}`;
  throw new UsageError(`the link chooses files (so=) that are not there: ${has}`, '--files chooses others.');
}

function byNumber(choice: string, length: number): boolean[] {
  const wanted = new Array<boolean>(length).fill(false);
  for (const part of choice.split(',')) {
    const match = /^\s*(\d{1,9})(?:-(\d{1,9}))?\s*$/.exec(part);
    if (match === null) throw new UsageError(`--files: expected numbers such as 0,2-5, got "${choice}"`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last >= length || first > last) {
      const has = `the torrent has ${plural(length, 'file')}, 0 to ${count(length - 1)}`;
      throw new UsageError(`--files: ${has}, got "${part.trim()}"`, SEE_INFO);
    }
    wanted.fill(true, first, last + 1);
  }
  return wanted;
}

function byGlob(choice: string, files: readonly MetainfoFile[]): boolean[] {
  if (choice.length > MAX_PATTERN) throw new UsageError('--files: the pattern is too long');
  const matches = picomatch(choice, { dot: true, basename: !choice.includes('/') });
  return files.map(({ diskPath, path }) => matches(diskPath) || matches(path.join('/')));
}

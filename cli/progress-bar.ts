/** A progress bar of exactly so many cells, cut where the done part ends. */

const HALF = '╸';

/** @param share 0…1 @returns `['━━━━╸', '─────']` */
export function progressBar(share: number, cells: number): [done: string, rest: string] {
  const halves = Math.floor(share * cells * 2);
  const full = Math.floor(halves / 2);
  const done = '━'.repeat(full) + (halves % 2 === 1 ? HALF : '');
  return [done, '─'.repeat(cells - done.length)];
}

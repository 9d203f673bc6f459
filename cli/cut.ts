/** Cuts a line to a number of cells without cutting into a colour sequence. */

/** Lines hold printable text and our own SGR sequences only; wide characters were measured when they were made. */
export function cutToCells(line: string, cells: number): string {
  let left = cells;
  let cut = '';
  for (const [part] of line.matchAll(/\x1b\[[\d;]*m|./gsu)) {
    if (part.startsWith('\x1b')) cut += part;
    else if (left > 0) {
      cut += part;
      left--;
    }
  }
  return cut;
}

/** Wrap: breaks text for people between words. */
import { cellWidth } from '../engine/text.js';
import { cutToCells } from './cut.js';

/** Lines of at most so many cells; only a word that is longer is broken within. @param text printable */
export function wrap(text: string, cells: number): string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (let word of text.split(' ')) {
    if (line !== undefined && cellWidth(line) + 1 + cellWidth(word) <= cells) {
      line += ` ${word}`;
      continue;
    }
    if (line !== undefined) lines.push(line);
    while (cellWidth(word) > cells) {
      const [first = ''] = word;
      const part = cutToCells(word, cells) || first;
      lines.push(part);
      word = word.slice(part.length);
    }
    line = word;
  }
  return line === undefined ? lines : [...lines, line];
}

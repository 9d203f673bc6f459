/** The help page: keys, the letters of the peers' flags, the cells of the piece map. */
import { KEY_HELP } from '../keys.js';
import type { Row } from '../spans.js';
import { beside, fitRow, fitText, span } from '../spans.js';
import { panel } from './panel.js';
import { FLAG_HELP } from './peers.js';
import { PIECE_HELP } from './pieces.js';

/** Cells of the flags' explanations, with pieces beside them. */
const FLAGS_CELLS = 44;
const LETTER_CELLS = 5;
const KEY_CELLS = 11;
/** With a narrower page what is beside the flags goes below them. */
const BESIDE_CELLS = 76;

export function helpPanel(width: number, height: number): Row[] {
  const keys = KEY_HELP.map(
    ([key, does]): Row => [span(` ${fitText(key, KEY_CELLS)} `, 'accent'), span(does)],
  );
  const flags = [
    [span(' flags of a peer', 'strong')],
    ...FLAG_HELP.map(
      ([flag, means]): Row => [span(` ${fitText(flag, LETTER_CELLS)} `, 'accent'), span(means)],
    ),
  ];
  const pieces = [
    [span(' a cell of the piece map', 'strong')],
    ...PIECE_HELP.map(
      ([glyphs, means]): Row => [span(' '), ...fitRow(glyphs, LETTER_CELLS), span(` ${means}`)],
    ),
  ];
  const isBeside = width >= BESIDE_CELLS;
  const explained = isBeside
    ? beside(
        flags.map((row) => fitRow(row, FLAGS_CELLS)),
        pieces,
      )
    : [...flags, ...pieces];
  const blank: Row[] = height > keys.length + explained.length + 4 ? [[]] : [];
  const sections: Row[] = [[span(' keys', 'strong')], ...keys, ...blank, ...explained];
  return panel(
    { title: 'help', focused: true, remark: [span('Esc closes', 'dim')] },
    sections,
    width,
    height,
  );
}

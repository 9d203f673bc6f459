/** The help page: keys and the letters of the peers' flags. */
import { KEY_HELP } from '../keys.js';
import type { Row } from '../spans.js';
import { fitText, span } from '../spans.js';
import { panel } from './panel.js';
import { FLAG_HELP } from './peers.js';

export function helpPanel(width: number, height: number): Row[] {
  const keys = KEY_HELP.map(([key, does]): Row => [span(` ${fitText(key, 11)} `, 'accent'), span(does)]);
  const flags = FLAG_HELP.map(
    ([flag, means]): Row => [span(` ${fitText(flag, 11)} `, 'accent'), span(means)],
  );
  const blank: Row[] = height > keys.length + flags.length + 4 ? [[]] : [];
  const sections: Row[] = [
    [span(' keys', 'strong')],
    ...keys,
    ...blank,
    [span(' flags of a peer', 'strong')],
    ...flags,
  ];
  return panel(
    { title: 'help', focused: true, remark: [span('Esc closes', 'dim')] },
    sections,
    width,
    height,
  );
}

/** Which key means what; the help screen and the footer are written from the same table. */
import { PANELS } from './model.js';
import type { Message } from './update.js';

export type KeyAction = Message | { readonly type: 'quit' };

interface Binding {
  /** Names as blessed gives them. */
  readonly keys: readonly string[];
  readonly action: KeyAction;
}

const BINDINGS: readonly Binding[] = [
  { keys: ['q', 'C-c'], action: { type: 'quit' } },
  { keys: ['?', 'h', 'f1'], action: { type: 'help' } },
  { keys: ['escape'], action: { type: 'escape' } },
  { keys: ['down', 'j'], action: { type: 'move', lines: 1 } },
  { keys: ['up', 'k'], action: { type: 'move', lines: -1 } },
  { keys: ['pagedown', 'space'], action: { type: 'page', screens: 1 } },
  { keys: ['pageup', 'b'], action: { type: 'page', screens: -1 } },
  { keys: ['home', 'g'], action: { type: 'move', lines: Number.NEGATIVE_INFINITY } },
  { keys: ['end', 'S-g'], action: { type: 'move', lines: Number.POSITIVE_INFINITY } },
  { keys: ['n', 'right'], action: { type: 'choose', by: 1 } },
  { keys: ['p', 'left'], action: { type: 'choose', by: -1 } },
  { keys: ['tab'], action: { type: 'focus-next', by: 1 } },
  { keys: ['S-tab'], action: { type: 'focus-next', by: -1 } },
  { keys: ['s'], action: { type: 'sort' } },
  ...PANELS.map((panel, index): Binding => ({ keys: [String(index + 1)], action: { type: 'focus', panel } })),
];

const ACTIONS: ReadonlyMap<string, KeyAction> = new Map(
  BINDINGS.flatMap(({ keys, action }) => keys.map((key) => [key, action] as const)),
);

/** Undefined for a key that means nothing. */
export const keyAction = (key: string): KeyAction | undefined => ACTIONS.get(key);

/** For the help screen: keys, and what they do. */
export const KEY_HELP: readonly (readonly [keys: string, does: string])[] = [
  ['↑ ↓  k j', 'choose a torrent, or scroll the panel in focus'],
  ['← →  p n', 'previous, next torrent, whichever panel has the focus'],
  ['PgUp PgDn', 'by half a screen; Home and End to the ends'],
  ['Tab  1 … 6', 'move the focus: torrents, peers, pieces, trackers, files, log'],
  ['s', 'sort peers by rate, progress or address'],
  ['? · Esc', 'this page · back'],
  ['q  Ctrl-C', 'quit'],
];

/** How each style looks: 256-colour numbers that read on dark and on light grounds, and a form without colour. */
import type { Style } from './spans.js';

export interface Look {
  /** Colour number; undefined is the terminal's own. */
  readonly fg?: number;
  readonly bg?: number;
  readonly bold?: true;
  readonly inverse?: true;
}

/** The bar that marks the chosen line. */
export const SELECTED_BG = 237;
/** On that bar the terminal's own foreground could be as dark as the bar. */
export const SELECTED_FG = 255;

export const COLOUR: Readonly<Record<Style, Look>> = {
  text: {},
  strong: { bold: true },
  dim: { fg: 245 },
  faint: { fg: 240 },
  frame: { fg: 239 },
  focus: { fg: 75 },
  badge: { fg: 234, bg: 75, bold: true },
  accent: { fg: 75 },
  down: { fg: 86 },
  down2: { fg: 43 },
  down1: { fg: 30 },
  up: { fg: 177 },
  up2: { fg: 134 },
  up1: { fg: 97 },
  have: { fg: 68 },
  good: { fg: 78 },
  warn: { fg: 215 },
  bad: { fg: 203 },
};

export const MONOCHROME: Readonly<Partial<Record<Style, Look>>> = {
  strong: { bold: true },
  focus: { bold: true },
  badge: { inverse: true },
  bad: { bold: true },
  warn: { bold: true },
};

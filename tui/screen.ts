/**
 * The terminal, and the only file that touches blessed: styled rows go into its cell buffer, which writes what
 * changed; keys and sizes come out. However the process ends, the terminal is put back first.
 */
import blessed from 'blessed';
import { cellWidth } from './engine.js';
import type { Look } from './palette.js';
import { COLOUR, MONOCHROME, SELECTED_BG, SELECTED_FG } from './palette.js';
import type { Row, Span, Style } from './spans.js';

export interface ScreenOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly colour: boolean;
  /** A key's name with its modifiers: `q`, `C-c`, `S-tab`. */
  onKey(key: string): void;
  onResize(): void;
  /** The terminal is gone. */
  onLost(): void;
}

const DEFAULT_COLOUR = 0x1ff;
const BOLD = 1;
const INVERSE = 8;
/** Terminals that know it (DEC mode 2026) show everything in between at once; the others ignore it. */
const BEGIN_FRAME = '\x1b[?2026h';
const END_FRAME = '\x1b[?2026l';
/** Latin, and the arrows, lines, blocks and braille that we draw with: one cell on every terminal. */
const ONE_CELL = /^[\x20-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f\u2800-\u28ff]$/;
const ENDING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

export class Screen {
  readonly #screen: blessed.Screen;
  readonly #output: NodeJS.WritableStream;
  readonly #attributes: (part: Span) => number;
  readonly #lost: () => void;
  /** What each line shows; undefined after a resize. */
  #shown: (Row | undefined)[] = [];
  #closed = false;
  /** Every write to a terminal that is gone fails: one loss is told. */
  #isLost = false;

  constructor(options: ScreenOptions) {
    this.#output = options.output;
    this.#attributes = options.colour ? colourAttribute : monochromeAttribute;
    this.#lost = () => {
      if (!this.#isLost) options.onLost();
      this.#isLost = true;
    };
    this.#screen = blessed.screen({
      input: options.input,
      output: options.output,
      // tmux-256color and screen would fall back to 8 colours.
      terminal: 'xterm-256color',
      forceUnicode: true,
    });
    // Line characters as Unicode instead of the alternate character set, which tmux and screen garble.
    this.#screen.tput.brokenACS = true;
    this.#screen.on('keypress', (_character, key) => options.onKey(key.full));
    this.#screen.on('resize', () => {
      this.#shown = [];
      options.onResize();
    });
    this.#output.on('error', this.#lost);
    process.on('uncaughtExceptionMonitor', this.#restore);
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#onSignal);
  }

  get width(): number {
    return this.#screen.cols;
  }

  get height(): number {
    return this.#screen.rows;
  }

  /** Shows `rows`; lines that did not change cost nothing. */
  draw(rows: readonly Row[]): void {
    if (this.#closed) return;
    let changed = false;
    for (let y = 0; y < this.height; y++) {
      const row = rows[y] ?? [];
      if (sameRow(this.#shown[y], row)) continue;
      this.#shown[y] = row;
      this.#fillLine(y, row);
      changed = true;
    }
    if (!changed) return;
    this.#screen.program._write(BEGIN_FRAME);
    this.#screen.draw(0, this.height - 1);
    this.#screen.program._write(END_FRAME);
  }

  /** Gives the terminal back as it was. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#screen.destroy();
    this.#output.removeListener('error', this.#lost);
    process.removeListener('uncaughtExceptionMonitor', this.#restore);
    for (const signal of ENDING_SIGNALS) process.removeListener(signal, this.#onSignal);
  }

  /** Also runs for an unhandled rejection. Whoever prints the error then prints it on the normal screen. */
  readonly #restore = (): void => this.close();

  /** The signal ends the process as if we had not listened, unless somebody else sees to it. */
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.close();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };

  /**
   * A character that some terminal could measure differently than we do is followed by an absolute cursor
   * position, so that nothing to its right can shift, and a wide one is written over two blanks, so that nothing
   * old remains beside it. Such a line is written as a whole: blessed moves the cursor by cells that it counts.
   */
  #fillLine(y: number, row: Row): void {
    const line = this.#screen.lines[y];
    const shown = this.#screen.olines[y];
    if (line === undefined || shown === undefined) return;
    let x = 0;
    let odd = false;
    let readdress = false;
    const here = () => `\x1b[${y + 1};${x + 1}H`;
    const put = (attribute: number, character: string) => {
      const cell = line[x];
      if (cell === undefined) return;
      cell[0] = attribute;
      cell[1] = readdress ? here() + character : character;
      readdress = false;
      x++;
    };
    for (const part of row) {
      const attribute = this.#attributes(part);
      for (const character of part.text) {
        const cells = cellWidth(character);
        const before = line[x - 1];
        if (cells === 0) {
          if (before !== undefined) before[1] += character;
        } else {
          put(attribute, cells === 2 ? `  ${here()}${character}` : character);
          if (cells === 2) put(attribute, '');
        }
        if (cells !== 1 || !ONE_CELL.test(character)) {
          readdress = true;
          odd = true;
        }
      }
    }
    while (x < line.length) put(BLANK, ' ');
    if (odd) for (const cell of shown) cell[1] = '\0';
    line.dirty = true;
  }
}

function sameRow(before: Row | undefined, now: Row): boolean {
  return (
    before !== undefined &&
    before.length === now.length &&
    before.every((part, index) => {
      const other = now[index];
      return part.text === other?.text && part.style === other.style && part.selected === other.selected;
    })
  );
}

const attributeOf = ({ fg = DEFAULT_COLOUR, bg = DEFAULT_COLOUR, bold, inverse }: Look): number =>
  (((bold ? BOLD : 0) | (inverse ? INVERSE : 0)) << 18) | (fg << 9) | bg;

const colourAttribute = ({ style, selected }: Span): number =>
  selected ? attributeOf({ fg: SELECTED_FG, ...COLOUR[style], bg: SELECTED_BG }) : attributeOf(COLOUR[style]);

const monochromeAttribute = ({ style, selected }: Span): number =>
  attributeOf({ ...monochrome(style), ...(selected ? { inverse: true } : {}) });

const monochrome = (style: Style): Look => MONOCHROME[style] ?? {};

const BLANK = attributeOf({});

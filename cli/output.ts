/**
 * Output: what was asked for and JSON go to stdout, everything else for people to stderr; colours and a line that
 * redraws itself only on a terminal. Foreign text must have passed `printable()`.
 */
import type { WriteStream } from 'node:tty';
import { cellsOf, cutToCells } from './cut.js';
import type { CommandEvent } from './events.js';

/** How often the redrawn line, and progress in JSON, may change. */
const LIVE_INTERVAL_MS = 100;
const JSON_PROGRESS_INTERVAL_MS = 1000;
/** How often progress is a line of its own where lines cannot be redrawn. */
const PLAIN_PROGRESS_INTERVAL_MS = 10_000;
/** Lines held back while something else has the terminal; the oldest go. */
const MAX_HELD = 1_000;
/** Of a terminal that does not tell. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

const SGR: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 };

type TerminalSize = Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>;

/** The two streams and what decides about colours; a test brings its own. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream & TerminalSize;
  readonly stderr: NodeJS.WritableStream & TerminalSize;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

export class Output {
  readonly json: boolean;
  readonly #quiet: boolean;
  readonly #terminal: Terminal;
  /** Cells of each line that redraws itself. */
  #live: readonly number[] = [];
  #nextProgressAt = 0;
  #held: (() => void)[] | undefined;

  constructor(terminal: Terminal, { json, quiet }: OutputOptions) {
    this.#terminal = terminal;
    this.json = json;
    this.#quiet = quiet;
  }

  /** Progress is a picture that redraws itself, rather than lines that pile up. */
  get redraws(): boolean {
    const { stderr, env } = this.#terminal;
    return !this.json && !this.#quiet && stderr.isTTY === true && env.TERM !== 'dumb';
  }

  /** Stdout is looked at by somebody. */
  get isTerminal(): boolean {
    return this.#terminal.stdout.isTTY === true;
  }

  /** Cells of a line on stdout; null where it may be as long as it likes. */
  get resultCells(): number | null {
    return this.isTerminal ? this.#terminal.stdout.columns || DEFAULT_COLUMNS : null;
  }

  /** Stdout can be taken over by a dashboard. */
  get takesDashboard(): boolean {
    return !this.json && this.isTerminal;
  }

  /** With --json, one line on stdout: `{"type":"complete",…}`. Without, nothing. */
  event(event: CommandEvent): void {
    if (this.json) this.#terminal.stdout.write(`${asciiJson(event)}\n`);
  }

  /** What the command was asked for, on stdout; not with --json, whose events say the same. */
  result(line: string): void {
    if (!this.json) this.#print(this.#terminal.stdout, line);
  }

  /** A file's content on stdout, whatever else goes there. */
  content(bytes: Uint8Array): void {
    this.#terminal.stdout.write(bytes);
  }

  /** News for people, on stderr; not with --quiet. */
  note(line: string): void {
    if (!this.#quiet) this.#print(this.#terminal.stderr, line);
  }

  /** Like `note`, but never kept quiet. */
  complain(line: string): void {
    this.#print(this.#terminal.stderr, line);
  }

  /** Holds lines back while something else has the terminal. @returns prints them */
  hold(): () => void {
    this.#clearLive();
    this.#held = [];
    return () => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const print of held) print();
    };
  }

  /**
   * Progress, which may be told as often as it changes: lines that redraw themselves on a terminal, with --json an
   * event a second, elsewhere now and then a line. `lines` and `event` are called only when they are shown.
   * @param lines gets the cells that a line may take, or null where a line may be as long as it likes
   */
  progress(
    nowMs: number,
    lines: (cells: number | null) => string | readonly string[],
    event: () => CommandEvent,
  ): void {
    if (nowMs < this.#nextProgressAt || this.#held !== undefined) return;
    if (this.json) {
      this.#nextProgressAt = nowMs + JSON_PROGRESS_INTERVAL_MS;
      this.event(event());
    } else if (this.#quiet) {
      return;
    } else if (this.redraws) {
      this.#nextProgressAt = nowMs + LIVE_INTERVAL_MS;
      this.#redraw([lines(this.#columns - 1)].flat());
    } else {
      // Short work needs no progress at all.
      if (this.#nextProgressAt > 0)
        for (const line of [lines(null)].flat()) this.#terminal.stderr.write(`${line}\n`);
      this.#nextProgressAt = nowMs + PLAIN_PROGRESS_INTERVAL_MS;
    }
  }

  /** Colours `text` for stderr, where that shows them. */
  paint(colour: Colour, text: string): string {
    return coloured(this.#terminal.stderr, this.#terminal.env, colour, text);
  }

  /** Colours `text` for stdout, where that shows them. */
  paintResult(colour: Colour, text: string): string {
    return coloured(this.#terminal.stdout, this.#terminal.env, colour, text);
  }

  #print(stream: NodeJS.WritableStream, line: string): void {
    if (this.#held !== undefined) {
      this.#held.push(() => this.#print(stream, line));
      if (this.#held.length > MAX_HELD) this.#held.shift();
      return;
    }
    this.#clearLive();
    stream.write(`${line}\n`);
  }

  /** Some terminals claim a width of 0. */
  get #columns(): number {
    return this.#terminal.stderr.columns || DEFAULT_COLUMNS;
  }

  /** In one write, each line over its old self, so that nothing flickers; never so many that they would scroll. */
  #redraw(lines: readonly string[]): void {
    const rows = this.#terminal.stderr.rows || DEFAULT_ROWS;
    const shown = lines.slice(0, Math.max(1, rows - 1)).map((line) => cutToCells(line, this.#columns - 1));
    const text = shown.map((line) => `${line}\x1b[K`).join('\n');
    this.#terminal.stderr.write(`${this.#toFirstLine()}${text}\x1b[J`);
    this.#live = shown.map(cellsOf);
  }

  #clearLive(): void {
    if (this.#live.length === 0) return;
    this.#terminal.stderr.write(`${this.#toFirstLine()}\x1b[J`);
    this.#live = [];
  }

  /** In a window that became narrower a line takes several rows. */
  #toFirstLine(): string {
    const rows = this.#live.reduce((sum, cells) => sum + Math.max(1, Math.ceil(cells / this.#columns)), 0);
    return rows > 1 ? `\r\x1b[${rows - 1}A` : '\r';
  }
}

/** NO_COLOR: https://no-color.org, any value but the empty one. */
function coloured(stream: Terminal['stdout'], env: Terminal['env'], colour: Colour, text: string): string {
  const plain = stream.isTTY !== true || Boolean(env.NO_COLOR) || env.TERM === 'dumb';
  return plain ? text : `\x1b[${SGR[colour]}m${text}\x1b[0m`;
}

/**
 * JSON in which everything but printable ASCII is escaped: the same values, and no name in it can drive the
 * terminal that it is looked at on.
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  ).replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Output: what was asked for and JSON go to stdout, everything else for people to stderr; colours and a line that
 * redraws itself only on a terminal. Foreign text must have passed `printable()`.
 */
import type { WriteStream } from 'node:tty';
import { cutToCells } from './cut.js';

/** How often the redrawn line, and progress in JSON, may change. */
const LIVE_INTERVAL_MS = 100;
const JSON_PROGRESS_INTERVAL_MS = 1000;
/** How often progress is a line of its own where lines cannot be redrawn. */
const PLAIN_PROGRESS_INTERVAL_MS = 10_000;

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

const SGR: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 };

/** The two streams and what decides about colours; a test brings its own. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;
  readonly stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** One line of --json. `type` says which other fields there are. */
export type OutputEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

export class Output {
  readonly json: boolean;
  readonly #quiet: boolean;
  readonly #terminal: Terminal;
  #liveLines = 0;
  #nextProgressAt = 0;

  constructor(terminal: Terminal, { json, quiet }: OutputOptions) {
    this.#terminal = terminal;
    this.json = json;
    this.#quiet = quiet;
  }

  /** Progress is a picture that redraws itself, rather than lines that pile up. */
  get redraws(): boolean {
    return !this.json && !this.#quiet && this.#terminal.stderr.isTTY === true;
  }

  /** With --json, one line on stdout: `{"type":"complete",…}`. Without, nothing. */
  event(event: OutputEvent): void {
    if (this.json) this.#terminal.stdout.write(`${asciiJson(event)}\n`);
  }

  /** What the command was asked for, on stdout; not with --json, whose events say the same. */
  result(line: string): void {
    if (this.json) return;
    this.#clearLive();
    this.#terminal.stdout.write(`${line}\n`);
  }

  /** A file's content on stdout, whatever else goes there. */
  content(bytes: Uint8Array): void {
    this.#terminal.stdout.write(bytes);
  }

  /** News for people, on stderr; not with --quiet. */
  note(line: string): void {
    if (this.#quiet) return;
    this.#clearLive();
    this.#terminal.stderr.write(`${line}\n`);
  }

  /** Like `note`, but never kept quiet. */
  complain(line: string): void {
    this.#clearLive();
    this.#terminal.stderr.write(`${line}\n`);
  }

  /**
   * Progress, which may be told as often as it changes: lines that redraw themselves on a terminal, with --json an
   * event a second, elsewhere now and then a line. `lines` and `event` are called only when they are shown.
   */
  progress(nowMs: number, lines: () => string | readonly string[], event: () => OutputEvent): void {
    if (nowMs < this.#nextProgressAt) return;
    if (this.json) {
      this.#nextProgressAt = nowMs + JSON_PROGRESS_INTERVAL_MS;
      this.event(event());
    } else if (this.#quiet) {
      return;
    } else if (this.redraws) {
      this.#nextProgressAt = nowMs + LIVE_INTERVAL_MS;
      this.#redraw([lines()].flat());
    } else {
      // Short work needs no progress at all.
      if (this.#nextProgressAt > 0)
        for (const line of [lines()].flat()) this.#terminal.stderr.write(`${line}\n`);
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

  #redraw(lines: readonly string[]): void {
    // Some terminals claim a width of 0.
    const columns = this.#terminal.stderr.columns || 80;
    this.#clearLive();
    this.#terminal.stderr.write(lines.map((line) => cutToCells(line, columns - 1)).join('\n'));
    this.#liveLines = lines.length;
  }

  #clearLive(): void {
    if (this.#liveLines === 0) return;
    const up = this.#liveLines > 1 ? `\x1b[${this.#liveLines - 1}A` : '';
    this.#terminal.stderr.write(`\r${up}\x1b[J`);
    this.#liveLines = 0;
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

/** A terminal in memory: the streams that a program sees, and the screen that a person would. */
import { PassThrough, Writable } from 'node:stream';
import xterm from '@xterm/headless';

export class FakeTerminal {
  readonly input = new PassThrough();
  readonly output: Writable & { columns: number; rows: number; isTTY: true };
  /** Everything written so far. */
  written = '';
  readonly #xterm: InstanceType<typeof xterm.Terminal>;

  constructor(columns: number, rows: number) {
    this.#xterm = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    const stream = new Writable({
      decodeStrings: false,
      write: (chunk: string | Buffer, _encoding, done) => {
        this.written += chunk.toString();
        this.#xterm.write(chunk.toString(), done);
      },
    });
    this.output = Object.assign(stream, { columns, rows, isTTY: true as const });
  }

  resize(columns: number, rows: number): void {
    this.#xterm.resize(columns, rows);
    Object.assign(this.output, { columns, rows });
    this.output.emit('resize');
  }

  /** Resolves when all that was written by now is on the screen. */
  async settled(): Promise<void> {
    // blessed gathers what it writes until the next tick.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => this.#xterm.write('', resolve));
  }

  /** Lines of the screen, trailing spaces included. */
  lines(): string[] {
    const { active } = this.#xterm.buffer;
    return Array.from(
      { length: this.#xterm.rows },
      (_, y) => active.getLine(active.baseY + y)?.translateToString() ?? '',
    );
  }

  /** Character, palette colours (-1 is the default) and weight of one cell. */
  cell(x: number, y: number): { text: string; fg: number; bg: number; bold: boolean; inverse: boolean } {
    const { active } = this.#xterm.buffer;
    const cell = active.getLine(active.baseY + y)?.getCell(x);
    if (cell === undefined) throw new RangeError(`no cell ${x}, ${y}`);
    return {
      text: cell.getChars(),
      fg: cell.isFgDefault() ? -1 : cell.getFgColor(),
      bg: cell.isBgDefault() ? -1 : cell.getBgColor(),
      bold: cell.isBold() !== 0,
      inverse: cell.isInverse() !== 0,
    };
  }

  get alternateScreen(): boolean {
    return this.#xterm.buffer.active.type === 'alternate';
  }
}

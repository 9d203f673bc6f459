/** The part of blessed 0.1.81 that screen.ts uses: its terminal, its keys and its cell buffer. */
declare module 'blessed' {
  import type { EventEmitter } from 'node:events';

  namespace blessed {
    /** `[attribute, character]`; an attribute is flags << 18 | foreground << 9 | background. */
    type Cell = [attribute: number, character: string];
    type Line = Cell[] & { dirty: boolean };

    interface Key {
      /** With modifiers: `q`, `C-c`, `S-tab`, `pagedown`. */
      readonly full: string;
    }

    interface Screen extends EventEmitter {
      readonly cols: number;
      readonly rows: number;
      /** What the next `draw` shows. */
      readonly lines: Line[];
      /** What the terminal shows. */
      readonly olines: Line[];
      readonly tput: { brokenACS: boolean };
      /** `write` goes into one buffer that is written out at the end of the tick or by `destroy`. */
      readonly program: { _write(text: string): void };
      draw(firstLine: number, lastLine: number): void;
      destroy(): void;
      on(event: 'keypress', listener: (character: string | undefined, key: Key) => void): this;
      on(event: 'resize', listener: () => void): this;
    }

    interface ScreenOptions {
      input: NodeJS.ReadableStream;
      output: NodeJS.WritableStream;
      terminal: string;
      forceUnicode: boolean;
    }
  }

  const blessed: { screen(options: blessed.ScreenOptions): blessed.Screen };
  export = blessed;
}

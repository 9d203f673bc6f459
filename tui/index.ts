/** The dashboard: draws an engine's snapshots on a terminal until it is closed. */
import type { EngineSnapshot } from './engine.js';
import { keyAction } from './keys.js';
import type { Model } from './model.js';
import { initialModel } from './model.js';
import { Screen } from './screen.js';
import type { Message } from './update.js';
import { update } from './update.js';
import { view } from './view.js';

export interface DashboardOptions {
  /** Called at every interval. */
  snapshot(): EngineSnapshot;
  /** The user wants to leave: `q`, Ctrl-C, or the terminal is gone. May come again if the dashboard stays open. */
  onQuit(): void;
  /** A terminal's streams; default the process's own. */
  readonly input?: NodeJS.ReadableStream;
  readonly output?: NodeJS.WritableStream;
  /** Milliseconds between two drawings; a key draws at once. Default 250. */
  readonly intervalMs?: number;
  /** Default: unless NO_COLOR is set or TERM is `dumb` or a VT100. */
  readonly colour?: boolean;
}

export interface Dashboard {
  /** Puts the terminal back. Idempotent. */
  close(): void;
}

/** Takes over the terminal; it is given back by `close()` and on every end of the process. */
export function openDashboard(options: DashboardOptions): Dashboard {
  const { input = process.stdin, output = process.stdout, intervalMs = 250, colour = hasColour() } = options;
  let model: Model;
  const show = (message: Message) => {
    model = update(model, message);
    screen.draw(view(model));
  };
  const screen = new Screen({
    input,
    output,
    colour,
    onKey(key) {
      const action = keyAction(key);
      if (action?.type === 'quit') options.onQuit();
      else if (action !== undefined) show(action);
    },
    onResize: () => show({ type: 'resize', width: screen.width, height: screen.height }),
    onLost: () => options.onQuit(),
  });
  model = initialModel(screen.width, screen.height);
  const refresh = () => show({ type: 'snapshot', snapshot: options.snapshot() });
  refresh();
  const timer = setInterval(refresh, intervalMs);
  return {
    close() {
      clearInterval(timer);
      screen.close();
    },
  };
}

/** https://no-color.org: set and not empty. */
function hasColour({ NO_COLOR = '', TERM = '' } = process.env): boolean {
  return NO_COLOR === '' && !/^(dumb|vt1|vt2)/.test(TERM);
}

/** View: shows a swarm in the form that was asked for, until it is closed: lines and events, or the dashboard. */
import type { EngineSnapshot } from '../engine/index.js';
import { UsageError } from './command.js';
import type { Output } from './output.js';

const TICK_MS = 250;

export interface View {
  /** Idempotent. */
  close(): void;
}

/** Calls `show` a few times a second. */
export function openLines(show: () => void): View {
  const timer = setInterval(show, TICK_MS);
  return { close: () => clearInterval(timer) };
}

/** What is said meanwhile is printed once the terminal is back. */
export async function openDashboard(
  snapshot: () => EngineSnapshot,
  onQuit: () => void,
  output: Output,
): Promise<View> {
  const tui = await import('../tui/index.js');
  const release = output.hold();
  const dashboard = tui.openDashboard({ snapshot, onQuit });
  let open = true;
  return {
    close() {
      if (!open) return;
      open = false;
      dashboard.close();
      release();
    },
  };
}

/** @throws UsageError where there is nothing to draw a dashboard on */
export function wantsDashboard(options: { tui: boolean; 'no-tui': boolean }, output: Output): boolean {
  if (!options.tui || options['no-tui']) return false;
  if (output.takesDashboard) return true;
  throw new UsageError('--tui needs a terminal, and goes without --json');
}

/** The engine's log; the newest line is the last. */
import type { LogLine } from '../engine.js';
import { printable } from '../engine.js';
import { formatDuration } from '../format.js';
import type { Model } from '../model.js';
import type { Row, Style } from '../spans.js';
import { fitText, span } from '../spans.js';
import { FRAME, panel } from './panel.js';

const LEVEL_STYLE: Readonly<Record<LogLine['level'], Style>> = { info: 'text', warn: 'warn', error: 'bad' };
const TIME_CELLS = 8;

export function logPanel(model: Model, width: number, height: number): Row[] {
  const log = model.snapshot?.log ?? [];
  const visible = Math.max(0, height - FRAME);
  const back = Math.min(model.scroll.log ?? 0, Math.max(0, log.length - visible));
  const end = log.length - back;
  const body = log
    .slice(Math.max(0, end - visible), end)
    .map(
      (entry): Row => [
        span(` ${fitText(formatDuration(Math.floor(entry.atMs / 1000)), TIME_CELLS, 'right')} `, 'faint'),
        span(printable(entry.text, Math.max(1, width - FRAME - TIME_CELLS - 3)), LEVEL_STYLE[entry.level]),
      ],
    );
  const note: Row = back > 0 ? [span(`${back} newer`, 'warn')] : [];
  const list = { from: Math.max(0, end - visible), visible, length: log.length };
  return panel({ title: 'log', key: '6', focused: model.focus === 'log', note, list }, body, width, height);
}

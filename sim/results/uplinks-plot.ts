/** Uplinks plot: what all uplinks together were used for over time, and why the rest lay idle; a panel a policy. */
import { mean } from '../run-result.js';
import { IDLE_CAUSES } from '../survey.js';
import { areaSign, axes, BOUND_SIGN, type Box, bound, drawing, legend, WIDTH } from './chart.js';
import { type Cell, type Course, drawnSeconds } from './condense.js';
import { percentText, percentTick, tickText } from './figures-text.js';
import { linearScale, type Scale } from './scale.js';
import { element, stepsBetween, textAt } from './svg.js';

const MAX_COLUMNS = 3;
const PANEL_HEIGHT = 120;
/** Wide enough for the last tick of one panel and the first of the next. */
const GAP = { x: 45, y: 62 };
const LEFT = 56;
const RIGHT = WIDTH - 24;
/** Pixels that a step of the time axis takes at least, about; narrow panels have four nevertheless. */
const STEP = 86;

/** `cells` are of one swarm. */
export function uplinksPlot(cells: readonly Cell[]): string {
  const { scenario } = cells[0]!;
  const { svg: signs, end } = legend(
    [
      { label: 'in use', sign: areaSign('used') },
      ...IDLE_CAUSES.map((cause) => ({ label: cause, sign: areaSign(cause) })),
      BOUND_SIGN,
    ],
    20,
    20,
  );
  const longest = drawnSeconds(cells);
  const top = end + 26;
  // A few panels are wider: together they are as wide as the drawing.
  const columns = Math.min(cells.length, MAX_COLUMNS);
  const width = (RIGHT - LEFT - (columns - 1) * GAP.x) / columns;
  const rows = Math.ceil(cells.length / columns);
  const panels = cells.flatMap((cell, i) => {
    const left = LEFT + (i % columns) * (width + GAP.x);
    const panelTop = top + Math.floor(i / columns) * (PANEL_HEIGHT + GAP.y);
    const box = { left, top: panelTop, right: left + width, bottom: panelTop + PANEL_HEIGHT };
    // The panels of a column share the title below the last of them.
    const isLowest = i + columns >= cells.length;
    return panel(cell, box, longest, i % columns === 0, isLowest);
  });
  return drawing(
    top + rows * (PANEL_HEIGHT + GAP.y) - 8,
    `${scenario}: what uplinks are used for`,
    'For each policy, shares of all uplinks over time: in use, and idle by cause, one above the other.',
    [...signs, ...panels],
  );
}

function panel(cell: Cell, box: Box, longest: number, hasYText: boolean, hasXTitle: boolean): string[] {
  const { course, policy, uplinkUse, leastSeconds } = cell;
  const x = linearScale(0, longest, box.left, box.right, Math.max(4, (box.right - box.left) / STEP));
  const y = linearScale(0, 1, box.bottom, box.top, 2);
  const title = `${policy}: ${percentText(mean(uplinkUse), 0)} in use`;
  return [
    ...axes(box, x, y, {
      x: tickText,
      y: hasYText ? percentTick : () => '',
      ...(hasXTitle ? { xTitle: 'time, s' } : {}),
    }),
    ...layers(course, x, y),
    bound(box, x, leastSeconds),
    textAt(box.left, box.top - 8, title, { class: 'title' }),
  ];
}

function layers({ uplinkUse, idle, stepSeconds }: Course, x: Scale, y: Scale): string[] {
  // Where a course goes on beyond the drawing, its last step ends at the edge.
  const steps = Math.min(uplinkUse.length, Math.ceil(x.domain[1] / stepSeconds));
  const edges = Array.from({ length: steps + 1 }, (_, i) => x.at(Math.min(i * stepSeconds, x.domain[1])));
  let below = new Array<number>(steps).fill(0);
  const shares: (readonly [string, readonly number[]])[] = [
    ['used', uplinkUse],
    ...IDLE_CAUSES.map((cause) => [cause, idle[cause]] as const),
  ];
  return shares.flatMap(([className, values]) => {
    if (values.every((share) => share === 0)) return [];
    const lower = below.map((share) => y.at(share));
    below = below.map((share, i) => share + values[i]!);
    const upper = below.map((share) => y.at(share));
    return [element('path', { class: className, d: stepsBetween(edges, upper, lower) })];
  });
}

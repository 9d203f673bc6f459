/** Speeds plot: what peers give against what they get, while they download: a mark for each class of link and policy. */
import { axes, type Box, drawing, type LegendItem, legend, WIDTH } from './chart.js';
import type { Cell } from './condense.js';
import { tickText } from './figures-text.js';
import { logScale } from './scale.js';
import { seriesClass } from './style.js';
import { element, lineFrom, pointList } from './svg.js';

const HEIGHT = 440;
/** Where the logarithmic axes begin: who is slower stands on the edge. */
const LEAST_KBIT = 10;

/** Corners of each class's sign, around its middle. */
const SHAPES: readonly (readonly (readonly [number, number])[])[] = [
  [
    [-6, 5],
    [0, -7],
    [6, 5],
  ],
  [
    [-5, -5],
    [5, -5],
    [5, 5],
    [-5, 5],
  ],
  [
    [0, -7],
    [7, 0],
    [0, 7],
    [-7, 0],
  ],
  [
    [-6, -5],
    [6, -5],
    [0, 7],
  ],
];

const mark = (shape: number, className: string): LegendItem['sign'] => {
  const corners = SHAPES[shape % SHAPES.length]!;
  return (x, y) =>
    element('polygon', { class: className, points: pointList(corners.map(([dx, dy]) => [x + dx, y + dy])) });
};

/** `cells` are of one swarm, of links of several classes. */
export function speedsPlot(cells: readonly Cell[]): string {
  const groups = [...new Set(cells.flatMap(({ speeds }) => Object.keys(speeds)))];
  const all = cells.flatMap(({ speeds }) => Object.values(speeds));
  const { scenario } = cells[0]!;
  const policies = legend(
    cells.map(({ policy }) => ({ label: policy, sign: dot(`mark ${seriesClass(policy)}`) })),
    20,
    20,
  );
  const classes = legend(
    [
      ...groups.map((group, i) => ({ label: group, sign: mark(i, 'axis') })),
      {
        label: 'gets what it gives',
        sign: (x: number, y: number) => lineFrom(x - 12, y, x + 12, y, 'equal'),
      },
    ],
    20,
    policies.end,
  );
  const box: Box = { left: 72, top: classes.end + 22, right: WIDTH - 24, bottom: HEIGHT - 54 };
  const ups = all.map(({ meanUpKbit }) => Math.max(LEAST_KBIT, meanUpKbit));
  const downs = all.map(({ meanDownKbit }) => Math.max(LEAST_KBIT, meanDownKbit));
  const x = logScale(Math.min(...ups), Math.max(...ups), box.left, box.right);
  const y = logScale(Math.min(...downs), Math.max(...downs), box.bottom, box.top);
  const from = Math.max(x.domain[0], y.domain[0]);
  const to = Math.min(x.domain[1], y.domain[1]);
  return drawing(
    HEIGHT,
    `${scenario}: what peers give and get`,
    'Mean upload against mean download speed while downloading, for each class of link and policy.',
    [
      ...policies.svg,
      ...classes.svg,
      ...axes(box, x, y, {
        x: kbitTick,
        y: kbitTick,
        xTitle: 'upload while downloading, kbit/s',
        yTitle: 'download, kbit/s',
      }),
      ...(from < to ? [lineFrom(x.at(from), y.at(from), x.at(to), y.at(to), 'equal')] : []),
      ...[...cells].reverse().flatMap(({ policy, speeds }) =>
        groups.flatMap((group, i) => {
          const found = speeds[group];
          if (found === undefined) return [];
          const up = Math.max(LEAST_KBIT, found.meanUpKbit);
          const down = Math.max(LEAST_KBIT, found.meanDownKbit);
          return [mark(i, `mark ${seriesClass(policy)}`)(x.at(up), y.at(down))];
        }),
      ),
    ],
  );
}

const kbitTick = (tick: number): string => (tick === LEAST_KBIT ? `≤ ${tick}` : tickText(tick));

const dot =
  (className: string): LegendItem['sign'] =>
  (x, y) =>
    element('circle', { cx: x, cy: y, r: 6, class: className });

/** Duplicates plot: what the seed had sent again when, before it had sent each block once; a line a policy. */
import { axes, BOUND_SIGN, type Box, bound, drawing, legend, policySign, WIDTH } from './chart.js';
import type { Cell } from './condense.js';
import { percentTick, tickText } from './figures-text.js';
import { linearScale } from './scale.js';
import { seriesClass } from './style.js';
import { element, pointList } from './svg.js';

const HEIGHT = 340;

/** `cells` are of one swarm. */
export function duplicatesPlot(cells: readonly Cell[]): string {
  const { scenario, leastSeconds } = cells[0]!;
  const { svg: signs, end } = legend([...cells.map(({ policy }) => policySign(policy)), BOUND_SIGN], 20, 20);
  const box: Box = { left: 72, top: end + 22, right: WIDTH - 24, bottom: HEIGHT - 54 };
  const lengths = cells.map(({ course }) => course.stepSeconds * course.seedDuplicates.length);
  const most = Math.max(...cells.flatMap(({ course }) => course.seedDuplicates));
  const x = linearScale(0, Math.max(leastSeconds, ...lengths), box.left, box.right, 9);
  const y = linearScale(0, Math.max(most, 0.01), box.bottom, box.top, 5);
  return drawing(
    HEIGHT,
    `${scenario}: what the seed sends again`,
    'Blocks that the seed sent again before it had sent each once, of those in the torrent, over time.',
    [
      ...signs,
      ...axes(box, x, y, {
        x: tickText,
        y: percentTick,
        xTitle: 'time, s',
        yTitle: 'blocks sent again, of those in the torrent',
      }),
      bound(box, x, leastSeconds),
      ...[...cells].reverse().map(({ policy, course: { stepSeconds, seedDuplicates } }) =>
        element('polyline', {
          class: `line ${seriesClass(policy)}`,
          points: pointList([
            [x.at(0), y.at(0)],
            ...seedDuplicates.map((share, i): [number, number] => [x.at((i + 1) * stepSeconds), y.at(share)]),
          ]),
        }),
      ),
    ],
  );
}

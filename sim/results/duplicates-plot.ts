/** Duplicates plot: what the seed had sent again when, before it had sent each block once; a line a policy. */
import { axes, BOUND_SIGN, type Box, bound, drawing, legend, policySign, WIDTH } from './chart.js';
import { type Cell, drawnSeconds } from './condense.js';
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
  const x = linearScale(0, drawnSeconds(cells), box.left, box.right, 9);
  const lines = cells.map(({ policy, course: { stepSeconds, seedDuplicates } }) => ({
    policy,
    points: [0, ...seedDuplicates]
      .map((share, i): [number, number] => [i * stepSeconds, share])
      .filter(([seconds]) => seconds <= x.domain[1]),
  }));
  const most = Math.max(...lines.flatMap(({ points }) => points.map(([, share]) => share)));
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
      ...lines.reverse().map(({ policy, points }) =>
        element('polyline', {
          class: `line ${seriesClass(policy)}`,
          points: pointList(points.map(([seconds, share]) => [x.at(seconds), y.at(share)])),
        }),
      ),
    ],
  );
}

/** Completion plot: how many peers had everything when, a line a policy, beside the least time. */
import { axes, BOUND_SIGN, type Box, bound, drawing, legend, policySign, WIDTH } from './chart.js';
import { type Cell, drawnSeconds } from './condense.js';
import { percentTick, tickText } from './figures-text.js';
import { linearScale } from './scale.js';
import { seriesClass } from './style.js';
import { element, pointList } from './svg.js';

const HEIGHT = 400;

/** `cells` are of one swarm, and in at least one of them somebody finished. */
export function completionPlot(cells: readonly Cell[]): string {
  const longest = drawnSeconds(cells);
  const finished = cells.filter(
    ({ downloadSeconds: [first = Number.POSITIVE_INFINITY] }) => first <= longest,
  );
  const { scenario, leastSeconds } = cells[0]!;
  const { svg: signs, end } = legend(
    [...finished.map(({ policy }) => policySign(policy)), BOUND_SIGN],
    20,
    20,
  );
  const box: Box = { left: 64, top: end + 22, right: WIDTH - 24, bottom: HEIGHT - 54 };
  const first = Math.min(leastSeconds, ...finished.map(({ downloadSeconds }) => downloadSeconds[0]!));
  const x = linearScale(first, longest, box.left, box.right, 9);
  const y = linearScale(0, 1, box.bottom, box.top, 5);
  return drawing(
    HEIGHT,
    `${scenario}: when peers have everything`,
    'The share of peers that have finished, over the time since they came, for each policy; and T_min.',
    [
      ...signs,
      ...axes(box, x, y, {
        x: tickText,
        y: percentTick,
        xTitle: 'time since a peer came, s',
        yTitle: 'peers that have everything',
      }),
      bound(box, x, leastSeconds),
      ...[...finished].reverse().map(({ policy, downloadSeconds: times }) => {
        const points = times
          .map((seconds, i): [number, number] => [seconds, times.length === 1 ? 1 : i / (times.length - 1)])
          .filter(([seconds]) => seconds <= x.domain[1])
          .map(([seconds, share]): [number, number] => [x.at(seconds), y.at(share)]);
        return element('polyline', {
          class: `line ${seriesClass(policy)}`,
          points: pointList([[points[0]![0], box.bottom], ...points]),
        });
      }),
    ],
  );
}

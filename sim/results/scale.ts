/** Scale: from values to places on an axis, and the round values at which the axis has its ticks. */

export interface Scale {
  /** Where a value stands. */
  readonly at: (value: number) => number;
  /** The values at both ends. */
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
}

/** Ends at round values that hold `from` and `to`; about `wanted` steps of 1, 2 or 5 times a power of ten. */
export function linearScale(from: number, to: number, start: number, end: number, wanted: number): Scale {
  const step = niceStep(to > from ? to - from : Math.max(1, Math.abs(from)), wanted);
  const first = Math.floor(tidy(from / step));
  const last = Math.max(first + 1, Math.ceil(tidy(to / step)));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => tidy((first + i) * step));
  return scaleBetween(ticks[0]!, ticks.at(-1)!, start, end, ticks, (value) => value);
}

/** Ends at, and has its ticks at, 1, 2 and 5 times powers of ten. `from` > 0. */
export function logScale(from: number, to: number, start: number, end: number): Scale {
  const steps: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)) + 1; power++)
    steps.push(...[1, 2, 5].map((digit) => tidy(digit * 10 ** power)));
  const first = Math.max(
    0,
    steps.findLastIndex((tick) => tick <= from),
  );
  const last = steps.findIndex((tick, i) => i > first && tick >= to);
  const ticks = steps.slice(first, last + 1);
  return scaleBetween(ticks[0]!, ticks.at(-1)!, start, end, ticks, Math.log10);
}

function scaleBetween(
  from: number,
  to: number,
  start: number,
  end: number,
  ticks: readonly number[],
  measure: (value: number) => number,
): Scale {
  const low = measure(from);
  const width = measure(to) - low;
  return {
    at: (value) => start + ((measure(value) - low) / width) * (end - start),
    domain: [from, to],
    ticks,
  };
}

function niceStep(span: number, wanted: number): number {
  const power = 10 ** Math.floor(Math.log10(span / wanted));
  const rest = span / wanted / power;
  if (rest < 1.5) return power;
  if (rest < 3.5) return 2 * power;
  return rest < 7.5 ? 5 * power : 10 * power;
}

/** Without the dust of binary fractions. */
const tidy = (value: number): number => Number(value.toPrecision(12));

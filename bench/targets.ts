/** Targets: what the figures of one run must be, and whether they are. */
import { formatTable, ratio, seconds } from './table.js';

export interface Target {
  readonly text: string;
  readonly figure: string;
  readonly met: boolean;
}

/** `value` over `base` is at most `limit`; undefined when one of them was not measured. */
export function atMostTimes(
  text: string,
  value: number | undefined,
  base: number | undefined,
  limit: number,
): Target | undefined {
  if (value === undefined || base === undefined) return undefined;
  return { text: `${text} ≤ ${limit} ×`, figure: ratio(value, base), met: value <= limit * base };
}

export function atMostSeconds(text: string, value: number | undefined, limit: number): Target | undefined {
  if (value === undefined) return undefined;
  return { text: `${text} ≤ ${limit} s`, figure: `${seconds(value)} s`, met: value <= limit };
}

export function atMostMegabytes(text: string, bytes: number | undefined, limit: number): Target | undefined {
  if (bytes === undefined) return undefined;
  const value = bytes / 1e6;
  return { text: `${text} ≤ ${limit} MB`, figure: `${value.toFixed(0)} MB`, met: value <= limit };
}

/** `value` is at least `limit` of `base`. */
export function atLeastShare(text: string, value: number, base: number, limit: number): Target {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return { text: `${text} ≥ ${percent(limit)}`, figure: percent(value / base), met: value >= limit * base };
}

export function formatTargets(targets: readonly Target[]): string {
  const lines = targets.map(({ text, figure, met }) => [text, figure, met ? 'met' : 'missed']);
  return formatTable(['target', 'figure', ''], lines);
}

/** Targets: what the figures of one run must be, and whether they are. */
import { ratio, seconds } from './table.js';

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

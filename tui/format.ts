/** Numbers as people read them: bytes, rates, durations, shares, bars. Shared by the dashboard and the live line. */

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** Decimal units, three digits: `0 B`, `16.4 kB`, `262 kB`, `4.70 GB`. */
export const formatBytes = (bytes: number): string => withUnit(bytes, 1000, DECIMAL_UNITS);

/** Powers of two, for what comes in them (pieces, buffers): `16 KiB`, `1.5 MiB`. */
export const formatBinaryBytes = (bytes: number): string =>
  withUnit(bytes, 1024, BINARY_UNITS).replace(/\.(\d*?)0+(?!\d)/, (_, kept) =>
    kept === '' ? '' : `.${kept}`,
  );

/** `48.2 MB/s`. */
export const formatRate = (bytesPerSecond: number): string => `${formatBytes(bytesPerSecond)}/s`;

/** The two largest units: `42s`, `1m 20s`, `3h 05m`, `2d 04h`; `–` when unknown. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds) || seconds < 0) return '–';
  const whole = Math.ceil(seconds);
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${two(whole % MINUTE)}s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h ${two(Math.floor((whole % HOUR) / MINUTE))}m`;
  if (whole < YEAR) return `${Math.floor(whole / DAY)}d ${two(Math.floor((whole % DAY) / HOUR))}h`;
  return '> 1 year';
}

/** `67.2 %`; rounds down, so that 100 % means all of it. */
export function formatShare(share: number): string {
  const permille = Math.floor(clampShare(share) * 1000 + 1e-9);
  return permille >= 1000 ? '100 %' : `${Math.floor(permille / 10)}.${permille % 10} %`;
}

/** A bar of exactly `cells` cells, cut where the done part ends: `['━━━━╸', '─────']`. */
export function progressBar(share: number, cells: number): [done: string, rest: string] {
  const halves = Math.floor(clampShare(share) * cells * 2 + 1e-9);
  const done = '━'.repeat(halves >> 1) + (halves & 1 ? '╸' : '');
  return [done, '─'.repeat(Math.max(0, cells - done.length))];
}

/** NaN and what lies outside of 0…1 count as the nearer end. */
export const clampShare = (share: number): number => (share > 0 ? Math.min(1, share) : 0);

function withUnit(value: number, step: number, units: readonly string[]): string {
  let rest = Number.isFinite(value) ? Math.max(0, value) : 0;
  let unit = 0;
  // 999.5 would print as 1000: the next unit starts where rounding reaches it.
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[unit]}`;
}

const two = (value: number): string => String(value).padStart(2, '0');

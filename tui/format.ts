/** Numbers as people read them: bytes, rates, durations, shares, bars. Shared by the dashboard and the live line. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** Three digits, binary units: `17 B`, `1.50 KiB`, `23.4 MiB`. */
export function formatBytes(bytes: number): string {
  let value = Number.isFinite(bytes) ? Math.max(0, bytes) : 0;
  let unit = 0;
  // 999.5 would print as 1000, which has four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** For round numbers (pieces, buffers, limits): `256 KiB`, `1.5 MiB`, `6 MiB`. */
export const formatSize = (bytes: number): string =>
  formatBytes(bytes).replace(/\.(\d*?)0+(?!\d)/, (_, kept) => (kept === '' ? '' : `.${kept}`));

/** `48.2 MiB/s`. */
export const formatRate = (bytesPerSecond: number): string => `${formatBytes(bytesPerSecond)}/s`;

/** The two largest units: `42s`, `1m 20s`, `3h 05m`, `2d 4h`; `–` when unknown. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds) || seconds < 0) return '–';
  const whole = Math.ceil(seconds);
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${two(whole % MINUTE)}s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h ${two(Math.floor((whole % HOUR) / MINUTE))}m`;
  if (whole < YEAR) return `${Math.floor(whole / DAY)}d ${Math.floor((whole % DAY) / HOUR)}h`;
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

const two = (value: number): string => String(value).padStart(2, '0');

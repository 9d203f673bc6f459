/**
 * Units as people write them. `parse…` throw an Error that says what was expected; whoever knows the
 * option's name adds it.
 */

const UNITS = ['', 'K', 'M', 'G', 'T'] as const;
const KIB = 1024;

/** `256K`, `1.5M`, `4GiB`, `1000` → bytes; K is 1,024. */
export function parseSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?$/i.exec(text);
  const power = UNITS.indexOf((match?.[2] ?? '').toUpperCase() as (typeof UNITS)[number]);
  const bytes = Math.round(Number(match?.[1]) * KIB ** power);
  if (!Number.isSafeInteger(bytes)) throw new Error(`expected a size such as 256K or 4M, got "${text}"`);
  return bytes;
}

/** As a torrent may have it. */
export function parsePieceLength(text: string): number {
  const bytes = parseSize(text);
  if (Number.isInteger(Math.log2(bytes)) && bytes >= 16 * KIB && bytes <= 128 * KIB * KIB) return bytes;
  throw new Error(`expected a power of two from 16K to 128M, got "${text}"`);
}

/** `500K`, `2M`, `2M/s` → bytes per second; 0 is without limit. */
export function parseRate(text: string): number {
  try {
    return parseSize(text.replace(/\/s$/, ''));
  } catch {
    throw new Error(`expected a rate in bytes per second such as 500K or 2M, got "${text}"`);
  }
}

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30s`, `10m`, `1h30m`, `250ms` → milliseconds. A bare number is seconds. */
export function parseDuration(text: string): number {
  const parts = /^\d{1,9}$/.test(text) ? `${text}s` : text;
  if (!/^(\d{1,9}(ms|[smhd]))+$/.test(parts))
    throw new Error(`expected a duration such as 30s, 10m or 1h30m, got "${text}"`);
  let total = 0;
  for (const [, count, unit = ''] of parts.matchAll(/(\d+)(ms|[smhd])/g))
    total += Number(count) * (DURATION_MS[unit] ?? 0);
  return total;
}

/** @throws Error unless `text` is a whole number from `min` to `max` */
export function parseWhole(text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`expected a whole number from ${min} to ${max}, got "${text}"`);
}

export interface ListenAddress {
  /** Undefined: every address of the machine. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** `6881`, `127.0.0.1:6881`, `[::1]:6881`, `:6881`. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9a-f:.]+)\]|([0-9.]+))?:)?(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new Error(`expected PORT, IP:PORT or [IPV6]:PORT, got "${text}"`);
  return host === undefined ? { port } : { host, port };
}

/** @throws Error unless `text` is a URL of one of `schemes` */
export function parseUrl(text: string, schemes: readonly string[]): string {
  const scheme = URL.canParse(text) ? new URL(text).protocol.slice(0, -1) : '';
  if (schemes.includes(scheme)) return text;
  throw new Error(`expected a URL that begins with ${schemes.join('://, ')}://, got "${text}"`);
}

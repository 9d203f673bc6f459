/**
 * The query of an HTTP announce or scrape. `info_hash` and `peer_id` are percent-encoded bytes in no character set,
 * which URLSearchParams would destroy; so values stay encoded until somebody wants their bytes.
 */

/** Values still percent-encoded; the first of a repeated key counts, except for `info_hash`. */
export interface TrackerQuery {
  readonly path: string;
  readonly infoHashes: readonly string[];
  readonly fields: Readonly<Partial<Record<QueryField, string>>>;
}

const QUERY_FIELDS = ['peer_id', 'port', 'left', 'event', 'numwant', 'compact', 'no_peer_id', 'ip'] as const;
type QueryField = (typeof QUERY_FIELDS)[number];

const isField = (key: string): key is QueryField => (QUERY_FIELDS as readonly string[]).includes(key);

/** Of one decoded value: nothing that a tracker reads is longer. */
const MAX_VALUE_BYTES = 64;
const scratch = Buffer.alloc(MAX_VALUE_BYTES);

const PERCENT = 0x25;

/** `target` is the request target as node:http gives it, its length bounded by the caller. */
export function parseTrackerQuery(target: string): TrackerQuery {
  const question = target.indexOf('?');
  if (question < 0) return { path: target, infoHashes: [], fields: {} };
  const infoHashes: string[] = [];
  const fields: Partial<Record<QueryField, string>> = {};
  let at = question + 1;
  while (at < target.length) {
    const ampersand = target.indexOf('&', at);
    const end = ampersand < 0 ? target.length : ampersand;
    const equals = target.indexOf('=', at);
    if (equals >= 0 && equals < end) {
      const key = target.slice(at, equals);
      const value = target.slice(equals + 1, end);
      if (key === 'info_hash') infoHashes.push(value);
      else if (isField(key)) fields[key] ??= value;
    }
    at = end + 1;
  }
  return { path: target.slice(0, question), infoHashes, fields };
}

/** The bytes of a value, one a character. Undefined when an escape is broken or the value is absurdly long. */
export function decodePercent(value: string): string | undefined {
  let length = 0;
  for (let at = 0; at < value.length; at++) {
    if (length === MAX_VALUE_BYTES) return undefined;
    let byte = value.charCodeAt(at);
    if (byte === PERCENT) {
      byte = (hexDigit(value.charCodeAt(at + 1)) << 4) | hexDigit(value.charCodeAt(at + 2));
      at += 2;
    }
    if (byte < 0 || byte > 0xff) return undefined;
    scratch[length++] = byte;
  }
  return scratch.toString('latin1', 0, length);
}

/** A negative number for anything that is no hex digit, the end of the text included. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The tracker protocol over HTTP: the query of an announce and a scrape, and their answers (BEP 3, 7, 23, 24, 31, 48). */
import { SwarmError } from '../errors.js';
import { type BencodeDict, type BencodeValue, decodeBencodePrefix } from '../metainfo/bencode.js';
import { ipText } from '../policy/ip-address.js';
import type { PeerAddress } from '../units.js';
import type { TrackerUrl } from './address-guard.js';
import {
  type AnnounceAnswer,
  type AnnounceRequest,
  boundedText,
  countOrNull,
  MAX_PEERS_PER_ANSWER,
  type ScrapeAnswer,
} from './announce.js';
import { parseCompactPeers4, parseCompactPeers6, parseDictPeers } from './compact-peers.js';
import { type HttpAnswer, type HttpGetOptions, httpGet } from './http-get.js';

/** An announce answer with what only HTTP has. */
export interface HttpAnnounceAnswer extends AnnounceAnswer {
  /** To be sent back from now on (BEP 3 `tracker id`). */
  readonly trackerId: Uint8Array | null;
}

/** 200 peers as dictionaries have 1,600; a megabyte of small values would cost us time and memory. */
const MAX_TOKENS = 50_000;
const MAX_DEPTH = 16;
const MAX_TRACKER_ID_BYTES = 256;
const MINUTE_MS = 60_000;

/** @throws SwarmError TRACKER_REFUSED with `retryMs` or `permanent` where the tracker said so, TRACKER_BAD_ANSWER, … */
export async function httpAnnounce(
  url: TrackerUrl,
  request: AnnounceRequest,
  trackerId: Uint8Array | null,
  options: HttpGetOptions,
): Promise<HttpAnnounceAnswer> {
  const query = announceQuery(request, trackerId);
  const answer = await httpGet({ ...url, query: joinQuery(url.query, query) }, options);
  return parseAnnounceAnswer(readDict(url, answer));
}

/** @throws SwarmError TRACKER_BAD_ANSWER when the URL has no scrape counterpart (BEP 48) or the answer no numbers, … */
export async function httpScrape(
  url: TrackerUrl,
  infoHash: Uint8Array,
  options: HttpGetOptions,
): Promise<ScrapeAnswer> {
  const slash = url.path.lastIndexOf('/') + 1;
  const last = url.path.slice(slash);
  if (!last.startsWith('announce')) throw badAnswer('this tracker has no scrape address');
  const path = `${url.path.slice(0, slash)}scrape${last.slice('announce'.length)}`;
  const query = joinQuery(url.query, `info_hash=${percentEncode(infoHash)}`);
  const dict = readDict(url, await httpGet({ ...url, path, query }, options));
  const files = dict.get('files');
  const swarm = files instanceof Map ? files.get(Buffer.from(infoHash).toString('latin1')) : undefined;
  if (!(swarm instanceof Map)) throw badAnswer('the scrape does not name this torrent');
  return {
    seeders: countOrNull(swarm.get('complete')),
    leechers: countOrNull(swarm.get('incomplete')),
    downloads: countOrNull(swarm.get('downloaded')),
  };
}

function announceQuery(request: AnnounceRequest, trackerId: Uint8Array | null): string {
  const fields = [
    `info_hash=${percentEncode(request.infoHash)}`,
    `peer_id=${percentEncode(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploadedBytes}`,
    `downloaded=${request.downloadedBytes}`,
    `left=${request.leftBytes}`,
    `numwant=${request.numWant}`,
    `key=${request.key.toString(16).padStart(8, '0').toUpperCase()}`,
    'compact=1',
    'no_peer_id=1',
  ];
  if (request.event !== 'none') fields.push(`event=${request.event}`);
  if (trackerId !== null) fields.push(`trackerid=${percentEncode(trackerId)}`);
  return fields.join('&');
}

/** Keeps the URL's own query (a passkey, mostly) in front. */
const joinQuery = (own: string, fields: string): string => (own.length > 1 ? `${own}&` : '?') + fields;

function percentEncode(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9._~-]/.test(character)
      ? character
      : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return text;
}

/** A tracker may say why it refuses under any HTTP status, so the body is read before the status counts. */
function readDict(url: TrackerUrl, { status, body }: HttpAnswer): BencodeDict {
  let value: BencodeValue | undefined;
  let reason = 'its answer is not a dictionary';
  try {
    // Some trackers are scripts that end with a newline: what follows the dictionary is ignored.
    value = decodeBencodePrefix(body, { maxDepth: MAX_DEPTH, maxTokens: MAX_TOKENS }).value;
  } catch (error) {
    reason = `its answer is not bencode (${error instanceof Error ? error.message : String(error)})`;
  }
  if (value instanceof Map && value.has('failure reason')) throw refusal(url, value);
  if (status < 200 || status > 299) throw badAnswer(`HTTP status ${status}`);
  if (!(value instanceof Map)) throw badAnswer(reason);
  return value;
}

function refusal(url: TrackerUrl, dict: BencodeDict): SwarmError {
  const reason = dict.get('failure reason');
  const text = reason instanceof Uint8Array ? boundedText(reason) : 'it gave no readable reason';
  return new SwarmError('TRACKER_REFUSED', `the tracker refused: ${text}`, {
    url: url.text,
    ...retryDetails(dict.get('retry in')),
  });
}

/** BEP 31: minutes, as an integer or its digits, or `never`. */
function retryDetails(value: BencodeValue | undefined): { retryMs?: number; permanent?: true } {
  const text = value instanceof Uint8Array && value.length <= 10 ? boundedText(value) : '';
  if (text === 'never') return { permanent: true };
  const minutes = /^\d+$/.test(text) ? Number(text) : value;
  return typeof minutes === 'number' && minutes > 0 ? { retryMs: minutes * MINUTE_MS } : {};
}

function parseAnnounceAnswer(dict: BencodeDict): HttpAnnounceAnswer {
  const warning = dict.get('warning message');
  const trackerId = dict.get('tracker id');
  const external = dict.get('external ip');
  return {
    intervalSeconds: numberOrNull(dict.get('interval')),
    minIntervalSeconds: numberOrNull(dict.get('min interval')),
    seeders: countOrNull(dict.get('complete')),
    leechers: countOrNull(dict.get('incomplete')),
    peers: parsePeers(dict),
    warning: warning instanceof Uint8Array ? boundedText(warning) : null,
    externalIp:
      external instanceof Uint8Array && (external.length === 4 || external.length === 16)
        ? ipText(external)
        : null,
    trackerId:
      trackerId instanceof Uint8Array && trackerId.length <= MAX_TRACKER_ID_BYTES ? trackerId.slice() : null,
  };
}

/** IPv4 and IPv6 peers share the room, so that many of one cannot crowd out the other. */
function parsePeers(dict: BencodeDict): readonly PeerAddress[] {
  const peers = dict.get('peers');
  const peers6 = dict.get('peers6');
  const all6 = peers6 instanceof Uint8Array ? parseCompactPeers6(peers6, MAX_PEERS_PER_ANSWER) : [];
  const all4 = Array.isArray(peers)
    ? parseDictPeers(peers, MAX_PEERS_PER_ANSWER)
    : peers instanceof Uint8Array
      ? parseCompactPeers4(peers, MAX_PEERS_PER_ANSWER)
      : [];
  const some4 = all4.slice(0, MAX_PEERS_PER_ANSWER - Math.min(all6.length, MAX_PEERS_PER_ANSWER / 2));
  return [...some4, ...all6.slice(0, MAX_PEERS_PER_ANSWER - some4.length)];
}

const numberOrNull = (value: BencodeValue | undefined): number | null =>
  typeof value === 'number' ? value : null;

function badAnswer(reason: string): SwarmError {
  return new SwarmError('TRACKER_BAD_ANSWER', `the tracker's answer cannot be used: ${reason}`);
}

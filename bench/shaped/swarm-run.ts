/** Swarm run: one seed and its leechers over shaped lines, from the start of the leechers to the last finish. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createTorrent } from '../../engine/metainfo/create.js';
import { CleanUp, temporaryFolder } from '../../test/support/cleanup.js';
import { isInstalled } from '../../test/support/clients.js';
import { opentracker, ourTracker, seedsAnnounced } from '../../test/support/tracker-watch.js';
import { machineCpuSeconds } from '../measure.js';
import type { ClientKind, Observed, Place } from './clients.js';
import type { Lab, Line } from './lab.js';

const PIECE_BYTES = 256 * 1024;
const LINK_SAMPLE_MS = 100;
/** A swarm that takes so many times the least possible stands still. */
const GIVE_UP_FACTOR = 12;

export interface ShapedCase {
  readonly name: string;
  readonly totalBytes: number;
  readonly seed: Line;
  readonly leecher: Line & { readonly downBitsPerSecond: number };
  /** What the last finish of ours over the least time is to be at most. */
  readonly target: number;
}

export interface Crew {
  readonly name: string;
  readonly seed: ClientKind;
  readonly leechers: readonly ClientKind[];
}

export interface LinkSample {
  readonly atMs: number;
  /** Of every client, the seed first. */
  readonly sentBytes: readonly number[];
}

/** Times in Unix milliseconds. */
export interface SwarmRun {
  readonly startedAtMs: number;
  readonly pieceCount: number;
  /** Of every client, the seed first. */
  readonly hosts: readonly string[];
  /** Of every leecher. */
  readonly kinds: readonly string[];
  /** Of every leecher. */
  readonly finishedAtMs: readonly number[];
  /** The seed first. */
  readonly observed: readonly Observed[];
  readonly links: readonly LinkSample[];
  /** Bytes that each line was charged between start and last finish, headers of every packet included. */
  readonly chargedBytes: readonly number[];
  /** Share of the machine's cores that was in use, by anybody. */
  readonly cpuShare: number;
}

/** The least time in which anybody could bring the content to all leechers (Kumar & Ross 2006), in seconds. */
export function leastSeconds({ totalBytes, seed, leecher }: ShapedCase, leechers: number): number {
  const bits = 8 * totalBytes;
  const allUplinks = seed.upBitsPerSecond + leechers * leecher.upBitsPerSecond;
  return Math.max(
    bits / seed.upBitsPerSecond,
    bits / leecher.downBitsPerSecond,
    (leechers * bits) / allUplinks,
  );
}

/** A client's place in the lab and on the disk; the seed's is the first. */
interface Stage {
  readonly scope: CleanUp;
  readonly announceUrl: string;
  readonly infoHash: string;
  readonly pieceCount: number;
  readonly places: readonly Place[];
}

/**
 * @param source path of the content; what is received goes beside its folder
 * @param onSecond called every second with what is known so far
 * @throws when a client ends, or stands still
 */
export async function runSwarm(
  lab: Lab,
  shaped: ShapedCase,
  crew: Crew,
  source: string,
  congestion: string,
  onSecond: (seconds: number, observed: readonly Observed[]) => void,
): Promise<SwarmRun> {
  const scope = new CleanUp();
  try {
    const stage = await prepare(scope, lab, crew, source);
    for (const index of stage.places.keys())
      lab.shape(index, index === 0 ? shaped.seed : shaped.leecher, congestion);
    return await measureRun(lab, shaped, crew, stage, onSecond);
  } finally {
    await scope.run();
  }
}

/** A tracker that has heard of nobody yet, the torrent that names it, and a folder for everybody. */
async function prepare(scope: CleanUp, lab: Lab, crew: Crew, source: string): Promise<Stage> {
  const parent = await temporaryFolder(scope, dirname(dirname(source)));
  const { metainfo } = await createTorrent(source, { pieceLength: PIECE_BYTES });
  const { infoHash, pieceCount } = metainfo;
  const tracker = isInstalled('opentracker') ? opentracker : ourTracker;
  const announceUrl = await tracker.start(scope, lab.hub, [infoHash]);
  const named = await createTorrent(source, { pieceLength: PIECE_BYTES, trackers: [[announceUrl]] });
  const torrent = join(parent, 'content.torrent');
  await writeFile(torrent, named.bytes);
  const places: Place[] = [];
  for (let index = 0; index <= crew.leechers.length; index++) {
    const folder = index === 0 ? dirname(source) : join(parent, String(index));
    await mkdir(folder, { recursive: true });
    places.push({
      scope,
      side: lab.client(index),
      torrent,
      folder,
      contentName: basename(source),
      pieceCount,
    });
  }
  return { scope, announceUrl, infoHash, pieceCount, places };
}

async function measureRun(
  lab: Lab,
  shaped: ShapedCase,
  crew: Crew,
  { scope, announceUrl, infoHash, pieceCount, places }: Stage,
  onSecond: (seconds: number, observed: readonly Observed[]) => void,
): Promise<SwarmRun> {
  const [seedPlace, ...leecherPlaces] = places;
  if (seedPlace === undefined) throw new Error('a swarm without a seed');
  const seed = await crew.seed.seed(seedPlace);
  await seedsAnnounced(announceUrl, infoHash);

  const charged = () => places.map((_, index) => lab.chargedBytes(index));
  const chargedBefore = charged();
  const cpuBefore = machineCpuSeconds();
  const links: LinkSample[] = [];
  const sampleLinks = () => links.push({ atMs: Date.now(), sentBytes: lab.sentBytes() });
  const startedAtMs = Date.now();
  sampleLinks();
  every(scope, LINK_SAMPLE_MS, sampleLinks);
  const starting = crew.leechers.map((kind, i) => kind.get(leecherPlaces[i] ?? seedPlace));
  const leechers = await Promise.all(starting);
  const observed = [seed, ...leechers];
  every(scope, 1_000, () => onSecond((Date.now() - startedAtMs) / 1000, observed));
  const patienceMs = GIVE_UP_FACTOR * 1_000 * leastSeconds(shaped, leechers.length);
  const finishedAtMs = await within(patienceMs, Promise.all(leechers.map(({ finished }) => finished)));
  sampleLinks();
  const seconds = (Date.now() - startedAtMs) / 1000;
  const cpuSeconds = machineCpuSeconds() - cpuBefore;
  const chargedBytes = charged().map((bytes, index) => bytes - (chargedBefore[index] ?? 0));
  for (const { folder, contentName } of leecherPlaces) {
    const { size } = await stat(join(folder, contentName));
    if (size !== shaped.totalBytes) throw new Error(`received ${size} of ${shaped.totalBytes} bytes`);
  }
  const hosts = places.map(({ side }) => side.hosts[0]);
  const kinds = crew.leechers.map(({ name }) => name);
  const cpuShare = cpuSeconds / seconds / availableParallelism();
  return { startedAtMs, pieceCount, hosts, kinds, finishedAtMs, observed, links, chargedBytes, cpuShare };
}

function every(scope: CleanUp, periodMs: number, act: () => void): void {
  const timer = setInterval(act, periodMs);
  scope.after(() => clearInterval(timer));
}

async function within<T>(patienceMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = new Error(`not everybody has finished after ${Math.round(patienceMs / 1000)} s`);
    timer = setTimeout(() => reject(why), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

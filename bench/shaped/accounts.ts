/**
 * Accounts: where a swarm's time went. All uplinks together carry, between the start and the last finish, N copies
 * of the content, packet headers and other overhead, what was sent twice, and nothing while they idle; so every
 * part of the distance to the least time is one of these. Times are in seconds, shares of the least time.
 */
import type { Sample } from './probe.js';
import type { LinkSample, ShapedCase, SwarmRun } from './swarm-run.js';

const BLOCK_BYTES = 16_384;

export const PHASES = ['start', 'middle', 'end'] as const;
/** Until it has a piece to give; until the first leecher has everything; from then on. */
type Phase = (typeof PHASES)[number];

export const CAUSES = [
  /** Nobody wants what it has. */
  'unwanted',
  /** Somebody wants what it has, and it lets none of them ask. */
  'choked',
  /** Those who may ask have not asked, or not in time. */
  'unasked',
  /** Blocks wait in the connections while the line idles: TCP, or the kernel. */
  'stuck',
  /** Not known: not ours. */
  'unknown',
] as const;
type Cause = (typeof CAUSES)[number];

/** Seconds of one whole swarm's uplinks, by phase and cause. */
type IdleSeconds = Record<Phase, Record<Cause, number>>;

export interface Accounts {
  /** Idle uplinks of all, in seconds of all of them together. */
  readonly idle: IdleSeconds;
  /** Of the seed's line alone, in its own seconds. */
  readonly seedIdle: IdleSeconds;
  /** Headers of packets, acknowledgements, everything that is neither a block's bytes nor idleness. */
  readonly overheadSeconds: number;
  /** Received and thrown away, or unfinished. */
  readonly wasteSeconds: number;
  readonly seed: SeedAccounts | undefined;
  /** Ours only: until the first of each, of the mean leecher. */
  readonly milestones: Readonly<Record<Milestone, number>> | undefined;
  readonly delays: Delays | undefined;
}

/** Ours only; medians and ninth deciles, in seconds. */
interface Delays {
  /** From a piece's verification until another peer hears of it. */
  readonly have: readonly [number, number];
  /** From request to block. */
  readonly blockOfSeed: readonly [number, number];
  readonly blockOfLeecher: readonly [number, number];
}

/** Events of the command and of the probe. */
export const MILESTONES = ['checked', 'peers-found', 'peer-connected', 'verified'] as const;
type Milestone = (typeof MILESTONES)[number];

/** Ours only: what the seed had sent when the first full copy existed among the leechers. */
export interface SeedAccounts {
  readonly fullCopySeconds: number;
  /** Handed to connections by then, beyond one copy, over one copy. */
  readonly duplicateShare: number;
  /** On the wire by then, headers included, over one copy. */
  readonly wireShare: number;
  /** Blocks that it was asked for again, over one copy: the asker had heard that a leecher has the piece, … */
  readonly askedThoughHeardShare: number;
  /** … a leecher had it, but the asker had not heard, … */
  readonly askedUnheardShare: number;
  /** … nobody had it yet: it was on its way. */
  readonly askedMeanwhileShare: number;
}

export function accountsOf(run: SwarmRun, shaped: ShapedCase): Accounts {
  const lines = run.observed.map((_, i) => (i === 0 ? shaped.seed : shaped.leecher).upBitsPerSecond / 8);
  const allBytesPerSecond = lines.reduce((sum, line) => sum + line, 0);
  const idle = noIdleness();
  const seedIdle = noIdleness();
  let idleBytes = 0;
  for (const [index, line] of lines.entries()) {
    for (const { phase, cause, bytes } of idlenessOf(run, index, line)) {
      idle[phase][cause] += bytes / allBytesPerSecond;
      if (index === 0) seedIdle[phase][cause] += bytes / line;
      idleBytes += bytes;
    }
  }
  const seconds = (Math.max(...run.finishedAtMs) - run.startedAtMs) / 1000;
  const usefulBytes = run.finishedAtMs.length * shaped.totalBytes;
  const wasteBytes = run.observed.reduce((sum, { samples }) => sum + (samples.at(-1)?.wastedBytes ?? 0), 0);
  return {
    idle,
    seedIdle,
    overheadSeconds: seconds - (idleBytes + usefulBytes + wasteBytes) / allBytesPerSecond,
    wasteSeconds: wasteBytes / allBytesPerSecond,
    seed: seedAccounts(run, shaped),
    milestones: milestonesOf(run),
    delays: delaysOf(run),
  };
}

function milestonesOf({ observed, startedAtMs }: SwarmRun): Accounts['milestones'] {
  const leechers = observed.slice(1).filter(({ samples }) => samples.length > 0);
  if (leechers.length === 0) return undefined;
  const meanOf = (name: Milestone) => {
    const times = leechers.map(({ firstAtMs }) => ((firstAtMs[name] ?? Number.NaN) - startedAtMs) / 1000);
    return [name, times.reduce((sum, seconds) => sum + seconds, 0) / times.length] as const;
  };
  return Object.fromEntries(MILESTONES.map(meanOf)) as Record<Milestone, number>;
}

function delaysOf({ observed, hosts }: SwarmRun): Delays | undefined {
  const verifiedAtMs = new Map<string, number>();
  for (const [i, { verified }] of observed.entries())
    for (const { piece, atMs } of verified) verifiedAtMs.set(`${hosts[i]} ${piece}`, atMs);
  const have = observed.flatMap(({ heard }) =>
    heard.map(({ from, piece, atMs }) => atMs - (verifiedAtMs.get(`${from} ${piece}`) ?? Number.NaN)),
  );
  const samples = observed.flatMap((one) => one.samples);
  if (samples.length === 0) return undefined;
  return {
    have: deciles(have.filter((delay) => !Number.isNaN(delay))),
    blockOfSeed: deciles(samples.flatMap(({ seedDelaysMs }) => seedDelaysMs)),
    blockOfLeecher: deciles(samples.flatMap(({ leecherDelaysMs }) => leecherDelaysMs)),
  };
}

/** The fifth and the ninth, in seconds. */
function deciles(delaysMs: number[]): [number, number] {
  const sorted = delaysMs.sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * sorted.length)] ?? Number.NaN) / 1000;
  return [at(0.5), at(0.9)];
}

interface Idleness {
  readonly phase: Phase;
  readonly cause: Cause;
  readonly bytes: number;
}

/** What client `index` could have sent and did not, in every interval between two looks at its line. */
function* idlenessOf(run: SwarmRun, index: number, bytesPerSecond: number): Generator<Idleness> {
  const { links, observed, chargedBytes } = run;
  const firstFinishAtMs = Math.min(...run.finishedAtMs);
  const lastFinishAtMs = Math.max(...run.finishedAtMs);
  const { samples = [], verified = [] } = observed[index] ?? {};
  // The shaper counts headers that an interface does not: those of every packet but the first of a super-packet.
  const counted = sentBetween(links[0], links.at(-1), index);
  const scale = counted > 0 ? (chargedBytes[index] ?? counted) / counted : 1;
  const startsAtMs = index === 0 ? run.startedAtMs : verified[0]?.atMs;
  let at = 0;
  for (const [i, link] of links.entries()) {
    const before = links[i - 1];
    if (before === undefined) continue;
    const could = (bytesPerSecond * (link.atMs - before.atMs)) / 1000;
    // A busy machine may look late at the end.
    const counts = Math.max(0, Math.min(1, (lastFinishAtMs - before.atMs) / (link.atMs - before.atMs)));
    // A burst of the shaper's bucket may be more: it makes up for idleness before it.
    const bytes = counts * (could - scale * sentBetween(before, link, index));
    while (at + 1 < samples.length && (samples[at]?.atMs ?? 0) < before.atMs) at++;
    const phase: Phase =
      link.atMs > firstFinishAtMs ? 'end' : link.atMs > (startsAtMs ?? run.startedAtMs) ? 'middle' : 'start';
    yield { phase, cause: causeOf(samples[at]), bytes };
  }
}

function causeOf(sample: Sample | undefined): Cause {
  if (sample === undefined) return 'unknown';
  if (sample.interested === 0) return 'unwanted';
  if (sample.unchoked === 0) return 'choked';
  return sample.served === 0 ? 'unasked' : 'stuck';
}

const sentBetween = (from: LinkSample | undefined, to: LinkSample | undefined, index: number): number =>
  (to?.sentBytes[index] ?? 0) - (from?.sentBytes[index] ?? 0);

function seedAccounts(run: SwarmRun, { totalBytes }: ShapedCase): SeedAccounts | undefined {
  const [seed, ...leechers] = run.observed;
  // Of others it is not known which pieces they have.
  if (run.observed.some(({ samples }) => samples.length === 0)) return undefined;
  const firstAtMs = new Map<number, number>();
  for (const { atMs, piece } of leechers.flatMap(({ verified }) => verified))
    firstAtMs.set(piece, Math.min(atMs, firstAtMs.get(piece) ?? atMs));
  if (firstAtMs.size < run.pieceCount) return undefined;
  const fullCopyAtMs = Math.max(...firstAtMs.values());
  const sample = seed?.samples.findLast(({ atMs }) => atMs <= fullCopyAtMs);
  const link = run.links.findLast(({ atMs }) => atMs <= fullCopyAtMs);
  const duplicates = (sample?.blocksSent ?? 0) - (sample?.distinctBlocksSent ?? 0);
  const counted = sentBetween(run.links[0], run.links.at(-1), 0);
  const scale = counted > 0 ? (run.chargedBytes[0] ?? counted) / counted : 1;
  return {
    fullCopySeconds: (fullCopyAtMs - run.startedAtMs) / 1000,
    duplicateShare: (duplicates * BLOCK_BYTES) / totalBytes,
    wireShare: (scale * sentBetween(run.links[0], link, 0)) / totalBytes,
    ...askedAgain(run, firstAtMs, fullCopyAtMs, totalBytes),
  };
}

/** Why the seed was asked for pieces that it had been asked for already. */
function askedAgain(
  { observed, hosts }: SwarmRun,
  firstAtMs: ReadonlyMap<number, number>,
  untilMs: number,
  totalBytes: number,
): Pick<SeedAccounts, 'askedThoughHeardShare' | 'askedUnheardShare' | 'askedMeanwhileShare'> {
  const heardAtMs = new Map<string, number>();
  for (const [i, { heard }] of observed.entries()) {
    for (const { piece, atMs, from } of heard) {
      const key = `${hosts[i]} ${piece}`;
      if (from !== hosts[0]) heardAtMs.set(key, Math.min(atMs, heardAtMs.get(key) ?? atMs));
    }
  }
  const seen = new Set<string>();
  const counts = { heard: 0, unheard: 0, meanwhile: 0 };
  for (const { piece, begin, atMs, from } of observed[0]?.asked ?? []) {
    if (atMs > untilMs) break;
    const block = `${piece} ${begin}`;
    if (!seen.has(block)) seen.add(block);
    else if ((heardAtMs.get(`${from} ${piece}`) ?? untilMs) < atMs) counts.heard++;
    else if ((firstAtMs.get(piece) ?? untilMs) < atMs) counts.unheard++;
    else counts.meanwhile++;
  }
  return {
    askedThoughHeardShare: (counts.heard * BLOCK_BYTES) / totalBytes,
    askedUnheardShare: (counts.unheard * BLOCK_BYTES) / totalBytes,
    askedMeanwhileShare: (counts.meanwhile * BLOCK_BYTES) / totalBytes,
  };
}

function noIdleness(): IdleSeconds {
  const none = () => Object.fromEntries(CAUSES.map((cause) => [cause, 0])) as Record<Cause, number>;
  return { start: none(), middle: none(), end: none() };
}

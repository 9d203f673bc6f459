/** Run result: the figures of one run. Plain data, as `--json` writes it. */
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import { type Host, totalBlocks } from './host.js';
import type { Scenario } from './scenario.js';
import { IDLE_CAUSES, type IdleCause, type Look, type Survey } from './survey.js';
import type { AccessLink } from './virtual-network.js';

export interface RunResult {
  readonly scenario: string;
  readonly policy: string;
  readonly seed: number;
  readonly peers: number;
  /** The bound; see `leastSeconds`. */
  readonly leastSeconds: number;
  /** Since the swarm began; of those who finished. */
  readonly lastSeconds: number;
  readonly meanSeconds: number;
  readonly lastOverLeast: number;
  /** From each peer's own arrival, sorted, by group. */
  readonly downloadSeconds: Readonly<Record<string, readonly number[]>>;
  /** Speeds while downloading, by group. */
  readonly speeds: Readonly<Record<string, GroupSpeeds>>;
  /** Mean number of leechers present, by quarters of the time in which they arrive: does it stay bounded? */
  readonly presentByQuarter: readonly number[];
  /** Peers that could not finish, as pieces were lost. */
  readonly starved: number;
  /** Share of all uplinks used until the last finish. */
  readonly uplinkUse: number;
  /** Share of all uplinks that lay idle until the last finish, by cause. */
  readonly idle: Readonly<Record<IdleCause, number>>;
  /** Blocks in the torrent. */
  readonly blocks: number;
  /** Of the blocks in the torrent, how many a seed sent again before it had sent each once. */
  readonly seedDuplicates: number;
  /** When a seed had sent each block once; null when never. */
  readonly firstCopySeconds: number | null;
  /** Of the bytes received, those thrown away. */
  readonly waste: number;
  /** Jain's index of the slots that seeds gave to equals; null when there is nothing to compare. See `SeedTurns`. */
  readonly seedFairness: number | null;
  readonly corruptPieces: number;
  /** Of who plays while downloading: means; null when nobody does. */
  readonly viewers: ViewerFigures | null;
  readonly traceHash: string;
  readonly messages: number;
  readonly events: number;
  readonly checks: number;
  /** Ticks in which rates were left before they had settled. */
  readonly unsettled: number;
  readonly looks: readonly Look[];
}

export interface ViewerFigures {
  /** Until it began to play. */
  readonly startSeconds: number;
  /** Share of the pieces that were there when their turn came. */
  readonly onTime: number;
  /** That it waited for the others, in all. */
  readonly stalledSeconds: number;
}

/** In kbit/s of 1,024 bits: the links of a group, and what its peers made of them, as means of those who finished. */
export interface GroupSpeeds {
  readonly link: AccessLink;
  readonly meanDownKbit: number;
  /** Until each finished. */
  readonly meanUpKbit: number;
}

export interface RunFacts {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly peers: number;
  readonly policy: string;
  readonly leastMs: number;
  readonly geometry: TorrentGeometry;
  readonly hosts: readonly Host[];
  readonly starved: number;
  readonly survey: Survey;
  readonly traceHash: string;
  readonly messages: number;
  readonly events: number;
  readonly checks: number;
  readonly unsettled: number;
}

export function summarise(facts: RunFacts): RunResult {
  const { hosts, survey, leastMs } = facts;
  const finishedMs: number[] = [];
  const byGroup: Record<string, number[]> = {};
  let received = 0;
  let wasted = 0;
  let corruptPieces = 0;
  for (const host of hosts) {
    const { totals } = host.swarm;
    received += totals.downloadedBytes + totals.wastedBytes;
    wasted += totals.wastedBytes;
    corruptPieces += totals.corruptPieces;
    if (host.finishedAt === undefined) continue;
    finishedMs.push(host.finishedAt);
    byGroup[host.group] ??= [];
    byGroup[host.group]!.push((host.finishedAt - host.joinedAt) / 1000);
  }
  for (const times of Object.values(byGroup)) times.sort((a, b) => a - b);
  const lastMs = Math.max(0, ...finishedMs);
  const looks = survey.looks.filter(({ atMs }) => atMs <= lastMs);
  const idle = Object.fromEntries(
    IDLE_CAUSES.map((cause) => [cause, mean(looks.map((look) => look.idle[cause]))]),
  ) as Record<IdleCause, number>;
  const seed = hosts.find((host) => host.isSeed);
  return {
    scenario: facts.scenario.name,
    policy: facts.policy,
    seed: facts.seed,
    peers: facts.peers,
    leastSeconds: leastMs / 1000,
    lastSeconds: lastMs / 1000,
    meanSeconds: mean(finishedMs) / 1000,
    lastOverLeast: lastMs / leastMs,
    downloadSeconds: byGroup,
    speeds: speedsOf(facts),
    presentByQuarter: presentByQuarter(facts),
    starved: facts.starved,
    uplinkUse: mean(looks.map(({ uplinkUse }) => uplinkUse)),
    idle,
    blocks: totalBlocks(facts.geometry),
    seedDuplicates: (seed?.duplicatesSent ?? 0) / totalBlocks(facts.geometry),
    firstCopySeconds: seed?.firstCopyAt === undefined ? null : seed.firstCopyAt / 1000,
    waste: received === 0 ? 0 : wasted / received,
    seedFairness: survey.seedFairness ?? null,
    corruptPieces,
    viewers: viewerFigures(hosts),
    traceHash: facts.traceHash,
    messages: facts.messages,
    events: facts.events,
    checks: facts.checks,
    unsettled: facts.unsettled,
    looks: survey.looks,
  };
}

function viewerFigures(hosts: readonly Host[]): ViewerFigures | null {
  const viewers = hosts.flatMap(({ viewer }) => viewer ?? []);
  if (viewers.length === 0) return null;
  return {
    startSeconds: mean(viewers.flatMap(({ startMs }) => startMs ?? [])) / 1000,
    onTime: mean(viewers.map(({ onTime }) => onTime)),
    stalledSeconds: mean(viewers.map(({ stalledMs }) => stalledMs)) / 1000,
  };
}

function speedsOf({ scenario, geometry, hosts }: RunFacts): Record<string, GroupSpeeds> {
  const fileKbit = (scenario.pieces * geometry.pieceLength * 8) / 1024;
  const speeds: Record<string, GroupSpeeds> = {};
  for (const { name, link } of scenario.leechers) {
    const down: number[] = [];
    const up: number[] = [];
    for (const { group, joinedAt, finishedAt, uploadedAtFinish } of hosts) {
      if (group !== name || finishedAt === undefined) continue;
      const seconds = (finishedAt - joinedAt) / 1000;
      down.push(fileKbit / seconds);
      up.push((uploadedAtFinish * 8) / 1024 / seconds);
    }
    if (down.length > 0) speeds[name] = { link, meanDownKbit: mean(down), meanUpKbit: mean(up) };
  }
  return speeds;
}

function presentByQuarter({ hosts, survey }: RunFacts): number[] {
  const lastArrivalMs = Math.max(...hosts.map(({ joinedAt }) => joinedAt));
  return [0, 1, 2, 3].map((quarter) => {
    const fromMs = (lastArrivalMs * quarter) / 4;
    const untilMs = (lastArrivalMs * (quarter + 1)) / 4;
    const looks = survey.looks.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
    return mean(looks.map(({ present }) => present));
  });
}

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

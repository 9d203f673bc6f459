/** Report: what the runs of shaped swarms come to: finishes, where the time went, and whether it is little enough. */
import { median } from '../measure.js';
import { formatTable } from '../table.js';
import { atMostTimes, formatTargets } from '../targets.js';
import { type Accounts, accountsOf, CAUSES, MILESTONES, PHASES, type SeedAccounts } from './accounts.js';
import { type ClientKind, libtorrent, swarm } from './clients.js';
import { type Crew, leastSeconds, type ShapedCase, type SwarmRun } from './swarm-run.js';

/** Seeded by libtorrent, half of the leechers libtorrent, half ours. */
export const MIXED = 'mixed';

const DELAYS = [
  { title: 'from a verified piece until a peer hears of it', of: 'have' },
  { title: 'from request to block, of the seed', of: 'blockOfSeed' },
  { title: 'from request to block, of a leecher', of: 'blockOfLeecher' },
] as const;

/** One run's figures for clients of one kind. */
interface Result {
  readonly lastSeconds: number;
  readonly meanSeconds: number;
}

export interface Row {
  readonly shaped: ShapedCase;
  readonly leechers: number;
  /** The least possible time, in seconds. */
  readonly least: number;
  readonly crew: string;
  readonly kind: string;
  readonly results: readonly Result[];
  readonly accounts: readonly Accounts[];
  /** Of the machine, by anybody: near to all of it, the lines are not what was measured. */
  readonly cpuShares: readonly number[];
  readonly perClient: readonly (readonly ClientFigures[])[];
}

interface ClientFigures {
  readonly finishSeconds: number;
  readonly uploadedBytes: number | undefined;
  readonly wastedBytes: number | undefined;
}

/** One row a kind of client. */
export function rowsOf(shaped: ShapedCase, crew: Crew, done: readonly SwarmRun[]): Row[] {
  const kinds = new Set<ClientKind>(crew.leechers);
  return [...kinds].map(({ name: kind }) => ({
    shaped,
    leechers: crew.leechers.length,
    least: leastSeconds(shaped, crew.leechers.length),
    crew: crew.name,
    kind,
    results: done.map((run) => resultOf(run, kind)),
    accounts: done.map((run) => accountsOf(run, shaped)),
    cpuShares: done.map(({ cpuShare }) => cpuShare),
    perClient: done.map(clientFigures),
  }));
}

/** The seed first. */
function clientFigures({ observed, finishedAtMs, startedAtMs }: SwarmRun): ClientFigures[] {
  return observed.map(({ samples }, i) => ({
    finishSeconds: ((finishedAtMs[i - 1] ?? Number.NaN) - startedAtMs) / 1000,
    uploadedBytes: samples.at(-1)?.uploadedBytes,
    wastedBytes: samples.at(-1)?.wastedBytes,
  }));
}

export function resultOf(run: SwarmRun, kind: string): Result {
  const finish = run.finishedAtMs
    .filter((_, i) => run.kinds[i] === kind)
    .map((atMs) => (atMs - run.startedAtMs) / 1000);
  return {
    lastSeconds: Math.max(...finish),
    meanSeconds: finish.reduce((sum, seconds) => sum + seconds, 0) / finish.length,
  };
}

export function printFinishes(rows: readonly Row[]): void {
  const head = [
    'swarm',
    'least s',
    'last s',
    'last ÷ least',
    'mean ÷ least',
    'seed duplicates',
    'wasted',
    'CPU',
  ];
  const lines = rows.map((row) => {
    const { shaped, least, crew, kind, results, accounts, cpuShares } = row;
    const last = lastOf(row);
    const mean = median(results.map(({ meanSeconds }) => meanSeconds));
    const duplicates = median(accounts.map(({ seed }) => seed?.duplicateShare ?? Number.NaN));
    const wasted = median(accounts.map(({ wasteSeconds }) => wasteSeconds / least));
    // What only the probe sees.
    const isProbed = row.perClient.flat().some(({ wastedBytes }) => wastedBytes !== undefined);
    return [
      `${shaped.name}: ${crew === kind ? kind : `${kind} in ${crew}`}`,
      least.toFixed(2),
      last.toFixed(2),
      (last / least).toFixed(3),
      (mean / least).toFixed(3),
      isProbed ? percent(duplicates) : '–',
      isProbed ? percent(wasted) : '–',
      percent(median(cpuShares)),
    ];
  });
  console.log(formatTable(head, lines));
  console.log(
    'seed duplicates: blocks that the seed sent again before the first full copy, over one copy.\n' +
      'CPU: of the machine, by anybody; near to all of it, the lines are not what was measured.\n',
  );
}

/** Where the time beyond the least goes; in percent of the least, medians of every figure. */
export function printAccounts(rows: readonly Row[]): void {
  const spans = PHASES.flatMap((phase) => CAUSES.map((cause) => ({ phase, cause })));
  for (const shaped of new Set(rows.map((row) => row.shaped))) {
    const ofCase = rows.filter((row) => row.shaped === shaped);
    // Both kinds of a mixed swarm have the same accounts.
    const mine = ofCase.filter(({ crew }, i) => ofCase[i - 1]?.crew !== crew);
    const { least = Number.NaN, leechers = 0 } = mine[0] ?? {};
    const share = (row: Row, pick: (accounts: Accounts) => number | undefined) =>
      percent(median(row.accounts.map((accounts) => (pick(accounts) ?? Number.NaN) / least)));
    const lines: string[][] = [];
    const add = (title: string, pick: (accounts: Accounts) => number | undefined) => {
      const cells = mine.map((row) => share(row, pick));
      if (cells.some((cell) => cell !== percent(0))) lines.push([title, ...cells]);
    };
    const uplinks = shaped.seed.upBitsPerSecond + leechers * shaped.leecher.upBitsPerSecond;
    const useful = (leechers * 8 * shaped.totalBytes) / uplinks;
    lines.push(['blocks that count', ...mine.map(() => percent(useful / least))]);
    add('headers, acknowledgements, messages, unfinished', ({ overheadSeconds }) => overheadSeconds);
    add('blocks thrown away', ({ wasteSeconds }) => wasteSeconds);
    for (const { phase, cause } of spans) add(`idle ${phase}: ${cause}`, ({ idle }) => idle[phase][cause]);
    for (const { phase, cause } of spans)
      add(`the seed idle ${phase}: ${cause}`, ({ seedIdle }) => seedIdle[phase][cause]);
    add('first full copy after', ({ seed }) => seed?.fullCopySeconds);
    // Shares of one copy rather than of the time.
    const ofCopy = (title: string, pick: (seed: SeedAccounts) => number) =>
      add(`the seed, of one copy: ${title}`, ({ seed }) => seed && pick(seed) * least);
    ofCopy('sent until then', ({ wireShare }) => wireShare);
    ofCopy('asked for again, heard of elsewhere', ({ askedThoughHeardShare }) => askedThoughHeardShare);
    ofCopy('asked for again, elsewhere but not heard of', ({ askedUnheardShare }) => askedUnheardShare);
    ofCopy('asked for again, on its way', ({ askedMeanwhileShare }) => askedMeanwhileShare);
    console.log(formatTable([`${shaped.name}, of the least`, ...mine.map(({ crew }) => crew)], lines));
    console.log('');
    const ours = mine.find(({ crew }) => crew === swarm.name);
    if (ours !== undefined) printTimes(shaped, ours.accounts);
  }
}

/** What only the probe sees. */
function printTimes({ name }: ShapedCase, accounts: readonly Accounts[]): void {
  const middle = (pick: (accounts: Accounts) => number | undefined) =>
    median(accounts.map((one) => pick(one) ?? Number.NaN)).toFixed(2);
  const lines = [
    ...MILESTONES.map((milestone) => [
      `a leecher's first "${milestone}"`,
      middle(({ milestones }) => milestones?.[milestone]),
      '',
    ]),
    ...DELAYS.map(({ title, of }) => [
      title,
      middle(({ delays }) => delays?.[of][0]),
      middle(({ delays }) => delays?.[of][1]),
    ]),
  ];
  console.log(formatTable([`${name}: ${swarm.name}, s`, 'mean or median', 'ninth decile'], lines));
  console.log('');
}

/** The last finish over the least time, and nobody slower for being in one swarm with the other. */
export function printTargets(rows: readonly Row[]): void {
  const all = [...new Set(rows.map((row) => row.shaped))].flatMap((shaped) => {
    const last = (crewOrKind: string, kind = crewOrKind) => {
      const row = rows.find((one) => one.shaped === shaped && one.crew === crewOrKind && one.kind === kind);
      return row && lastOf(row);
    };
    const ours = last(MIXED, swarm.name);
    const theirs = last(MIXED, libtorrent.name);
    const targets = [
      atMostTimes(
        'the least',
        last(swarm.name),
        rows.find((row) => row.shaped === shaped)?.least,
        shaped.target,
      ),
      atMostTimes('mixed: theirs', ours, theirs, 1),
      atMostTimes('mixed: theirs without us', theirs, last(libtorrent.name), 1),
    ];
    return targets
      .filter((target) => target !== undefined)
      .map((target) => ({ ...target, text: `${shaped.name}: ${target.text}` }));
  });
  console.log(formatTargets(all));
}

function lastOf({ results }: Row): number {
  return median(results.map(({ lastSeconds }) => lastSeconds));
}

function percent(share: number): string {
  return Number.isNaN(share) ? '–' : `${(100 * share).toFixed(1)} %`;
}

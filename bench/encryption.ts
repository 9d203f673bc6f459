/**
 * Encryption bench: one download with plaintext and with RC4, by us and by libtorrent, and what the parts cost by
 * themselves. Runs take turns, so that what disturbs the machine disturbs all alike; medians are shown.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { KeyPair } from '../engine/wire/mse-keys.js';
import { Rc4 } from '../engine/wire/rc4.js';
import { CleanUp } from '../test/support/cleanup.js';
import { isInstalled } from '../test/support/clients.js';
import { enterNamespaces, loopback } from '../test/support/namespaces.js';
import { type Contender, libtorrentWith, swarmWith } from './contenders.js';
import { type Course, emptyFolder, layCourse, openTracker, receivedFile } from './course.js';
import { cpuSecondsOf, median, medianUsage, type Usage } from './measure.js';
import { libtorrentSeederWith, type SeederKind, swarmSeeders } from './seeders.js';
import { formatTable, megabytes, seconds } from './table.js';

const HELP = `npm run bench:encryption -- [--mib 1024] [--runs 3] [--dir DIR]

  --dir  where content and downloads go; default /dev/shm, so that no disk is measured`;

const { values: options } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    runs: { type: 'string', default: '3' },
    dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

interface Pairing {
  readonly name: string;
  readonly contender: Contender;
  readonly seeders: SeederKind;
}

interface Download {
  readonly usage: Usage;
  readonly seederCpuSeconds: number;
}

/** enc_policy disabled 2, forced 0; enc_level RC4 2. */
const PLAINTEXT = { in_enc_policy: 2, out_enc_policy: 2 };
const RC4 = { in_enc_policy: 0, out_enc_policy: 0, allowed_enc_level: 2 };

const ours = (mode: string) => ['--encryption', mode];
const PAIRINGS: readonly Pairing[] = [
  ...['off', 'prefer', 'require'].map((mode) => ({
    name: `swarm ← swarm, ${mode}`,
    contender: swarmWith(ours(mode)),
    seeders: swarmSeeders(1, ours(mode)),
  })),
  {
    name: 'swarm ← libtorrent, RC4',
    contender: swarmWith(ours('require')),
    seeders: libtorrentSeederWith(RC4),
  },
  {
    name: 'libtorrent ← swarm, RC4',
    contender: libtorrentWith(RC4),
    seeders: swarmSeeders(1, ours('require')),
  },
  {
    name: 'libtorrent ← libtorrent, plaintext',
    contender: libtorrentWith(PLAINTEXT),
    seeders: libtorrentSeederWith(PLAINTEXT),
  },
  {
    name: 'libtorrent ← libtorrent, RC4',
    contender: libtorrentWith(RC4),
    seeders: libtorrentSeederWith(RC4),
  },
];

// Nobody looks for peers beyond the tracker: not ours, not the others.
process.env.SWARM_DISCOVERY = 'off';
const network = (await enterNamespaces()) ?? loopback;
const scope = new CleanUp();
try {
  printParts();
  const course = await layCourse(scope, network, Number(options.mib) * 2 ** 20, options.dir);
  const possible = PAIRINGS.filter(({ contender, seeders }) =>
    [...contender.needs, ...seeders.needs].every(isInstalled),
  );
  const results = possible.map((): Download[] => []);
  for (let run = 0; run < Number(options.runs); run++)
    for (const [i, pairing] of possible.entries()) results[i]?.push(await runDownload(course, pairing));
  const lines = possible.map(({ name }, i) => {
    const mine = results[i] ?? [];
    const { wallSeconds, cpuSeconds } = medianUsage(mine.map(({ usage }) => usage));
    return [
      name,
      seconds(wallSeconds),
      megabytes(course.totalBytes / wallSeconds),
      seconds(cpuSeconds),
      seconds(median(mine.map((download) => download.seederCpuSeconds))),
    ];
  });
  console.log(`\n${options.mib} MiB, medians of ${options.runs}\n`);
  console.log(formatTable(['download', 'wall s', 'MB/s', 'CPU s', 'seeder CPU s'], lines));
} finally {
  await scope.run();
}

/** A tracker, a seeder and a folder of its own for every run. */
async function runDownload(course: Course, { name, contender, seeders }: Pairing): Promise<Download> {
  const scope = new CleanUp();
  try {
    await openTracker(scope, course);
    const folder = await emptyFolder(scope, course);
    const started = await seeders.start(scope, course);
    const cpuSeconds = () => started.pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
    const before = cpuSeconds();
    const usage = await contender.download(scope, course, folder, started);
    const seederCpuSeconds = cpuSeconds() - before;
    const { size } = await stat(receivedFile(folder));
    if (size !== course.totalBytes)
      throw new Error(`${name}: received ${size} of ${course.totalBytes} bytes`);
    process.stderr.write(`${name} ${seconds(usage.wallSeconds)} s\n`);
    return { usage, seederCpuSeconds };
  } finally {
    await scope.run();
  }
}

/** Of one thread, by CPU time. */
function printParts(): void {
  const chunk = new Uint8Array(512 * 1024);
  const cipher = new Rc4(randomBytes(20));
  const theirs = new KeyPair(randomBytes).publicKey();
  const exchange = (): void => {
    const keys = new KeyPair(randomBytes);
    keys.publicKey();
    keys.sharedSecret(theirs);
  };
  const [chunks, exchanges] = [1_000, 1_000];
  const rc4 = cpuOf(() => cipher.apply(chunk), chunks);
  console.log(`RC4: ${megabytes((chunk.length * chunks) / rc4)} MB/s`);
  console.log(`key exchange of one end: ${((cpuOf(exchange, exchanges) / exchanges) * 1000).toFixed(2)} ms`);
}

/** Seconds of `times` calls, after as many to warm up. */
function cpuOf(run: () => void, times: number): number {
  for (let i = 0; i < times; i++) run();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** `swarm demo`: a whole swarm on this machine, to look at. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SwarmError } from '../engine/index.js';
import { verifyFiles } from '../engine/torrent-files.js';
import { formatBytes, formatRate, formatShare, formatSize } from '../tui/format.js';
import { defineCommand, flag, value } from './command.js';
import { type DemoPeer, DemoSwarm } from './demo-swarm.js';
import { EXIT } from './exit-codes.js';
import { Interrupted, unlessAborted, withInterrupts } from './interrupts.js';
import { drawBar } from './live-lines.js';
import type { Output } from './output.js';
import { addedEvent } from './tell.js';
import { parseRate, parseSize } from './units-text.js';
import { openDashboard, openLines, wantsDashboard } from './view.js';
import { plural } from './words.js';

const MIB = 1024 * 1024;
const DEFAULT_BYTES = 48 * MIB;
const MIN_BYTES = 64 * 1024;
const MAX_BYTES = 64 * 1024 * MIB;
const DEFAULT_UP = 6 * MIB;
const LEECHERS = ['anna', 'bela', 'cleo'] as const;
const BAR_CELLS = 24;
const RATE_CELLS = 10;

export const command = defineCommand({
  name: 'demo',
  about:
    'Starts a tracker, one seed and three leechers on this machine and watches them move a folder made for the ' +
    'occasion. Each may send at --up only, as at home: what the seed has no time for, the leechers give each ' +
    'other. Then every copy is verified and removed.',
  positionals: { placeholder: '', min: 0, max: 0 },
  options: {
    size: value('SIZE', 'bytes to move (default: 48M)', parseDemoSize),
    up: value('RATE', 'what each may send (default: 6M a second; 0: no limit)', parseRate),
    tui: flag('show the dashboard of all four'),
    'no-tui': flag('do not'),
  },
  examples: [
    ['demo', 'takes some ten seconds'],
    ['demo --size 1G --up 0', 'as fast as this machine can'],
    ['demo --tui', 'in the dashboard'],
  ],

  async run({ options }, output) {
    const { size = DEFAULT_BYTES, up = DEFAULT_UP } = options;
    const dashboard = wantsDashboard(options, output);
    const base = await mkdtemp(join(tmpdir(), 'swarm-demo-'));
    try {
      return await withInterrupts(
        async (signal) => {
          const swarm = await DemoSwarm.create({ base, totalBytes: size, uploadBytesPerSecond: up });
          try {
            await run(swarm, { up, dashboard, signal }, output);
            return EXIT.done;
          } finally {
            await swarm.close();
          }
        },
        // Nobody must find the folder afterwards.
        true,
      );
    } finally {
      await rm(base, { recursive: true, force: true });
    }
  },
});

function parseDemoSize(given: string): number {
  const size = parseSize(given);
  if (size >= MIN_BYTES && size <= MAX_BYTES) return size;
  throw new Error(`expected a size from 64K to 64G, got "${given}"`);
}

interface RunOptions {
  readonly up: number;
  readonly dashboard: boolean;
  readonly signal: AbortSignal;
}

async function run(swarm: DemoSwarm, { up, dashboard, signal }: RunOptions, output: Output): Promise<void> {
  const { totalBytes, pieceCount } = swarm.metainfo;
  output.event(addedEvent(swarm.metainfo));
  const limit = up === 0 ? 'sends without limit' : `sends at most ${formatSize(up)}/s`;
  output.note(`a tracker, a seed and ${LEECHERS.length} leechers on this machine; each ${limit}`);
  await swarm.addSeed();
  const startedAt = performance.now();
  for (const leecher of LEECHERS) await swarm.addLeecher(leecher);
  output.note(`${formatSize(totalBytes)} in ${plural(pieceCount, 'piece')} go from the seed to everybody:`);
  const completed = unlessAborted(swarm.completed(), signal);
  if (dashboard) await watchInDashboard(swarm, completed, output);
  const view = openLines(() => show(swarm, output));
  await completed.finally(() => view.close());
  const seconds = Math.round(performance.now() - startedAt) / 1000;
  for (const peer of swarm.leechers) await verify(peer, swarm, signal);
  tellResult(swarm, seconds, output);
}

/** Until the end; throws Interrupted when the user quits. */
async function watchInDashboard(swarm: DemoSwarm, end: Promise<void>, output: Output): Promise<void> {
  let quit: () => void = () => {};
  const left = new Promise<never>((_, reject) => {
    quit = () => reject(new Interrupted());
  });
  const dashboard = await openDashboard(
    () => swarm.snapshot(),
    () => quit(),
    output,
  );
  await Promise.race([end, left]).finally(() => dashboard.close());
}

function show(swarm: DemoSwarm, output: Output): void {
  output.progress(
    performance.now(),
    () => swarm.peers.map((peer) => peerLine(peer, output)),
    () => ({
      type: 'demo-progress',
      copies: swarm.peers.map(({ name, torrent }) => {
        const { haveBytes, downloadedBytes, uploadedBytes } = torrent.snapshot();
        return { name, haveBytes, downloadedBytes, uploadedBytes };
      }),
    }),
  );
}

/** `  anna  ━━━━━━━━╸─────  42.1 %  ↓ 5.12 MiB/s from 3  ↑ 4.80 MiB/s`. */
function peerLine({ name, torrent }: DemoPeer, output: Output): string {
  const { haveBytes, wantedBytes, downloadBytesPerSecond, uploadBytesPerSecond, peers } = torrent.snapshot();
  const share = wantedBytes === 0 ? 1 : haveBytes / wantedBytes;
  const bar = drawBar(share, BAR_CELLS, (colour, text) => output.paint(colour, text));
  const senders = peers.filter((peer) => peer.downloadBytesPerSecond > 0).length;
  const down = `↓ ${formatRate(downloadBytesPerSecond).padStart(RATE_CELLS)} from ${senders}`;
  const up = `↑ ${formatRate(uploadBytesPerSecond).padStart(RATE_CELLS)}`;
  return `  ${name}  ${bar} ${formatShare(share).padStart(6)}  ${share === 1 ? ' '.repeat(down.length) : down}  ${up}`;
}

async function verify({ name, root }: DemoPeer, { metainfo }: DemoSwarm, signal: AbortSignal): Promise<void> {
  const { complete, badPieces } = await verifyFiles(metainfo, root, { signal });
  if (complete) return;
  throw new SwarmError('VERIFY_MISMATCH', `${name}'s copy has ${badPieces.length} bad pieces`, { name });
}

function tellResult(swarm: DemoSwarm, seconds: number, output: Output): void {
  const { totalBytes } = swarm.metainfo;
  const sent = swarm.peers.map(({ torrent }) => torrent.transferred.uploadedBytes);
  const [bySeed = 0] = sent;
  const byLeechers = sent.reduce((sum, bytes) => sum + bytes, 0) - bySeed;
  const copies = swarm.leechers.length;
  output.event({
    type: 'demo-complete',
    seconds,
    copies,
    sentBySeedBytes: bySeed,
    sentByLeechersBytes: byLeechers,
  });
  const rate = formatRate((copies * totalBytes) / seconds);
  output.note(
    `${output.paint('green', 'complete')}: ${copies} copies in ${seconds.toFixed(1)}s, ${rate} in all, verified`,
  );
  const times = (bytes: number) => `${formatBytes(bytes)} (${(bytes / totalBytes).toFixed(2)} copies)`;
  output.note(`the seed sent ${times(bySeed)}`);
  output.note(`the leechers sent each other ${times(byLeechers)}`);
}

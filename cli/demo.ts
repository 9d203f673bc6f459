/** `swarm demo`: a whole swarm on this machine, to look at. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SwarmError } from '../engine/index.js';
import { verifyFiles } from '../engine/torrent-files.js';
import { formatBytes, formatRate, progressBar } from '../tui/format.js';
import { defineCommand, flag, value } from './command.js';
import { type DemoPeer, DemoSwarm } from './demo-swarm.js';
import { EXIT } from './exit-codes.js';
import { withInterrupts } from './interrupts.js';
import type { Output } from './output.js';
import { parseRate, parseSize } from './units-text.js';

const MIB = 1024 * 1024;
const DEFAULT_BYTES = 48 * MIB;
const DEFAULT_UP = 6 * MIB;
const LEECHERS = ['anna', 'bela', 'cleo'] as const;
const TICK_MS = 100;
const BAR_CELLS = 28;

export const command = defineCommand({
  name: 'demo',
  about:
    'Starts a tracker, one seed and three leechers on this machine and watches them move a folder made for the ' +
    'occasion. Each may send at --up only, as at home: what the seed has no time for, the leechers give each ' +
    'other. Then every copy is verified and removed.',
  positionals: { placeholder: '', min: 0, max: 0 },
  options: {
    size: value('SIZE', 'bytes to move (default: 48M)', parseSize),
    up: value('RATE', 'what each may send (default: 6M a second; 0: no limit)', parseRate),
    tui: flag('show the dashboard of all four'),
    'no-tui': flag('do not'),
  },
  examples: [
    ['demo', 'takes some ten seconds'],
    ['demo --size 1G --up 0', 'as fast as this machine can'],
    ['demo --tui', 'in the dashboard'],
  ],

  async run({ options: { size = DEFAULT_BYTES, up = DEFAULT_UP, tui } }, output) {
    const base = await mkdtemp(join(tmpdir(), 'swarm-demo-'));
    try {
      return await withInterrupts(async (interrupt) => {
        const swarm = await DemoSwarm.create({ base, totalBytes: size, uploadBytesPerSecond: up });
        try {
          return await run(swarm, { up, tui }, output, interrupt);
        } finally {
          await swarm.close();
        }
      });
    } finally {
      await rm(base, { recursive: true, force: true });
    }
  },
});

async function run(
  swarm: DemoSwarm,
  { up, tui }: { up: number; tui: boolean },
  output: Output,
  interrupt: AbortSignal,
): Promise<0> {
  const { infoHash, name, totalBytes, pieceCount } = swarm.metainfo;
  output.event({ type: 'added', infoHash, name, totalBytes, pieceCount });
  output.note(
    `A tracker, a seed and ${LEECHERS.length} leechers on this machine. ${formatBytes(totalBytes)} in ${pieceCount} ` +
      `pieces; each of them sends ${up === 0 ? 'without limit' : `at most ${formatRate(up)}`}.`,
  );
  await swarm.addSeed();
  const startedAt = performance.now();
  for (const leecher of LEECHERS) await swarm.addLeecher(leecher);
  await watch(swarm, tui, output, interrupt);
  const seconds = (performance.now() - startedAt) / 1000;
  for (const peer of swarm.leechers) await verify(peer, swarm, interrupt);
  tellResult(swarm, seconds, output);
  return EXIT.done;
}

/** Shows the swarm until every leecher has everything. */
async function watch(swarm: DemoSwarm, tui: boolean, output: Output, interrupt: AbortSignal): Promise<void> {
  const left = new Promise<never>((_, reject) => {
    interrupt.addEventListener('abort', () => reject(interrupt.reason), { once: true });
  });
  if (!tui) {
    const timer = setInterval(() => show(swarm, output), TICK_MS);
    await Promise.race([swarm.completed(), left]).finally(() => clearInterval(timer));
    return;
  }
  const { openDashboard } = await import('../tui/index.js');
  let quit: () => void = () => {};
  const quitted = new Promise<void>((resolve) => {
    quit = resolve;
  });
  const dashboard = openDashboard({ snapshot: () => swarm.snapshot(), onQuit: () => quit() });
  await Promise.race([swarm.completed(), quitted, left]).finally(() => dashboard.close());
  // Whoever leaves the dashboard early still gets the result.
  await Promise.race([swarm.completed(), left]);
}

function show(swarm: DemoSwarm, output: Output): void {
  output.progress(
    performance.now(),
    () => swarm.peers.map((peer) => peerLine(peer, output)),
    () => ({
      type: 'progress',
      peers: swarm.peers.map(({ name, torrent }) => {
        const { haveBytes, uploadedBytes, downloadedBytes } = torrent.snapshot();
        return { name, haveBytes, uploadedBytes, downloadedBytes };
      }),
    }),
  );
}

/** `anna  ━━━━━━━━╸─────  42.1 %  ↓ 5.12 MiB/s from 3  ↑ 4.80 MiB/s`. */
function peerLine({ name, torrent }: DemoPeer, output: Output): string {
  const { haveBytes, wantedBytes, downloadBytesPerSecond, uploadBytesPerSecond, peers } = torrent.snapshot();
  const share = wantedBytes === 0 ? 1 : haveBytes / wantedBytes;
  const [done, rest] = progressBar(share, BAR_CELLS);
  const senders = peers.filter((peer) => peer.downloadBytesPerSecond > 0).length;
  const down = `↓ ${formatRate(downloadBytesPerSecond).padStart(10)} from ${senders}`;
  const percent = `${(Math.floor(share * 1000) / 10).toFixed(1)} %`.padStart(7);
  return (
    `  ${name}  ${output.paint('green', done)}${output.paint('dim', rest)} ${percent}  ` +
    `${share === 1 ? ' '.repeat(down.length) : down}  ↑ ${formatRate(uploadBytesPerSecond).padStart(10)}`
  );
}

async function verify({ name, root }: DemoPeer, { metainfo }: DemoSwarm, signal: AbortSignal): Promise<void> {
  const { complete, badPieces } = await verifyFiles(metainfo, root, { signal });
  if (complete) return;
  throw new SwarmError('VERIFY_MISMATCH', `${name}'s copy has ${badPieces.length} bad pieces`, { name });
}

function tellResult(swarm: DemoSwarm, seconds: number, output: Output): void {
  const { totalBytes, pieceCount } = swarm.metainfo;
  const sent = swarm.peers.map(({ torrent }) => torrent.transferred.uploadedBytes);
  const [bySeed = 0] = sent;
  const all = sent.reduce((sum, bytes) => sum + bytes, 0);
  const copies = (bytes: number) => (bytes / totalBytes).toFixed(2);
  output.event({
    type: 'complete',
    seconds,
    copies: swarm.leechers.length,
    sentBySeed: bySeed,
    sentByLeechers: all - bySeed,
  });
  const verified = output.paint('green', `${swarm.leechers.length} copies verified`);
  output.note(`${verified}, ${pieceCount} pieces each, in ${seconds.toFixed(1)} s.`);
  output.note(
    `The seed sent ${copies(bySeed)} copies (${formatBytes(bySeed)}), the leechers ${copies(all - bySeed)} to each other.`,
  );
}

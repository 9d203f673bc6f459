/** `swarm tracker`: runs a tracker until it is told to stop. */
import type { RunningTracker, TrackerOptions } from '../tracker/index.js';
import { startTracker } from '../tracker/index.js';
import { formatDuration } from '../tui/format.js';
import { defineCommand, value } from './command.js';
import { EXIT } from './exit-codes.js';
import { withInterrupts } from './interrupts.js';
import type { Output } from './output.js';
import { parseDuration, parseListen, parseWhole } from './units-text.js';

const DEFAULT_PORT = 6969;
/** How often the line of figures is drawn, or the `stats` event written. */
const STATS_INTERVAL_MS = 1_000;

export const command = defineCommand({
  name: 'tracker',
  about:
    'Runs a tracker: HTTP announce and scrape at /announce and /scrape, UDP on the same or another port, IPv4 and ' +
    'IPv6. Without --http or --udp it serves both on port 6969. Clients on loopback and LAN may announce another ' +
    'address by the ip parameter; from elsewhere it is ignored. Ctrl-C ends it.',
  positionals: { placeholder: '', min: 0, max: 0 },
  options: {
    http: value('[IP:]PORT', 'serve HTTP there; port 0 lets the system choose', parseListen),
    udp: value('[IP:]PORT', 'serve UDP there; port 0 lets the system choose', parseListen),
    interval: value('DURATION', 'how often clients should announce (default: 30m)', parseSeconds),
    'max-torrents': value('N', 'swarms kept at once (default: 200000)', (given) =>
      parseWhole(given, 1, 2 ** 24),
    ),
    'max-peers': value('N', 'peers kept at once (default: 1000000)', (given) =>
      parseWhole(given, 1, 2 ** 24),
    ),
  },
  examples: [
    ['tracker', 'HTTP and UDP on port 6969 of every address'],
    ['tracker --http 127.0.0.1:8080', 'HTTP only, for this machine only'],
    ['tracker --udp [::]:6969 --interval 10m', 'UDP only'],
    ['tracker --http 0 --udp 0 --json', 'on free ports, which the first line names'],
  ],

  async run({ options }, output) {
    const { http, udp, interval } = options;
    const both = http === undefined && udp === undefined;
    const tracker = await startTracker({
      http: http ?? (both ? { port: DEFAULT_PORT } : null),
      udp: udp ?? (both ? { port: DEFAULT_PORT } : null),
      ...(interval === undefined ? {} : { intervalSeconds: interval }),
      ...limits(options['max-torrents'], options['max-peers']),
    });
    announce(tracker, output);
    const ticker = setInterval(() => showStats(tracker, output), STATS_INTERVAL_MS);
    try {
      await withInterrupts(
        (signal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      );
    } finally {
      clearInterval(ticker);
      await tracker.close();
    }
    const { uptimeMs, http: overHttp, udp: overUdp } = tracker.stats();
    output.event({ type: 'stopped', ...tracker.stats() });
    output.note(
      `stopped after ${formatDuration(uptimeMs / 1000)}: ${overHttp.announces + overUdp.announces} announces, ` +
        `${overHttp.scrapes + overUdp.scrapes} scrapes`,
    );
    return EXIT.done;
  },
});

function limits(
  maxTorrents: number | undefined,
  maxPeers: number | undefined,
): Pick<TrackerOptions, 'maxTorrents' | 'maxPeers'> {
  return {
    ...(maxTorrents === undefined ? {} : { maxTorrents }),
    ...(maxPeers === undefined ? {} : { maxPeers }),
  };
}

function announce({ http, udp }: RunningTracker, output: Output): void {
  const urls = [
    ...(http === null ? [] : [`http://${urlHost(http.host)}:${http.port}/announce`]),
    ...(udp === null ? [] : [`udp://${urlHost(udp.host)}:${udp.port}/announce`]),
  ];
  output.event({ type: 'listening', http, udp, urls });
  for (const url of urls) output.note(`tracker at ${output.paint('bold', url)}`);
}

/** The unspecified address means every address; a URL needs one. */
function urlHost(host: string): string {
  if (host === '::' || host === '0.0.0.0') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

/** A service's log is no place for figures that nobody asked for. */
function showStats(tracker: RunningTracker, output: Output): void {
  if (!output.redraws && !output.json) return;
  const stats = tracker.stats();
  const { torrents, peers, http, udp, uptimeMs } = stats;
  output.progress(
    uptimeMs,
    () =>
      `${formatDuration(uptimeMs / 1000)}  ${torrents} torrents  ${peers} peers  ` +
      `${http.announces + udp.announces} announces  ${http.refused + udp.refused} refused  ` +
      `${http.dropped + udp.dropped} dropped`,
    () => ({ type: 'stats', ...stats }),
  );
}

function parseSeconds(given: string): number {
  const seconds = parseDuration(given) / 1000;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400)
    throw new Error(`expected 1s to 24h, got "${given}"`);
  return seconds;
}

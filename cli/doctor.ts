/** `swarm doctor`: looks for what keeps swarm from working well here, and says what to do about it. */
import { diagnose, type Finding, type Verdict } from '../engine/diagnose.js';
import { printable } from '../engine/text.js';
import { defineCommand, flag, list, text, value } from './command.js';
import { cellsOf } from './cut.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.js';
import { withInterrupts } from './interrupts.js';
import { bindOptions, NETWORK_OPTIONS, parseHostPort } from './network-options.js';
import type { Colour, Output } from './output.js';
import { parseListen, parseUrl } from './units-text.js';
import { plural } from './words.js';
import { wrap } from './wrap.js';

const COLOURS: Readonly<Record<Verdict, Colour>> = {
  good: 'green',
  warning: 'yellow',
  bad: 'red',
  skipped: 'dim',
};
const VERDICT_CELLS = 7;
const CHECK_CELLS = 15;
/** Where less is left for sentences, they begin below the check. */
const MIN_TEXT_CELLS = 30;
const NARROW_INDENT = 4;
/** A sentence may list addresses or quote a tracker. */
const MAX_TEXT_CELLS = 1_000;

export const command = defineCommand({
  name: 'doctor',
  about:
    'Checks what swarm needs of this machine and its network, and says of each what to do: addresses, IPv4 and IPv6, ' +
    'the listening port, the router, clock, disks, limits. The router is asked to forward the port and to forget it ' +
    'again, public DHT nodes whether they hear us; trackers are asked only when named. The exit code tells of the ' +
    'first thing that is bad.',
  positionals: { placeholder: '', min: 0, max: 0 },
  options: {
    listen: value('[IP:]PORT', 'the port to check (default: any free port)', parseListen),
    bind: NETWORK_OPTIONS.bind,
    dns: NETWORK_OPTIONS.dns,
    proxy: NETWORK_OPTIONS.proxy,
    tracker: list('URL', 'see whether this tracker answers', (url) =>
      parseUrl(url, ['http', 'https', 'udp']),
    ),
    'dht-bootstrap': list('HOST:PORT', 'see whether this node of the DHT answers', parseHostPort),
    'no-dht': flag('do not ask the public nodes of the DHT'),
    'no-nat': flag('do not ask the router for anything'),
    out: value('DIR', 'the folder for downloads (default: here)', text, 'o'),
  },
  examples: [
    ['doctor', 'this machine and its router'],
    ['doctor --listen 6881', 'whether that port is free, and the router forwards it'],
    ['doctor --tracker udp://tracker.example:6969/announce', 'and this tracker'],
    ['doctor --bind tun0', 'whether everything can be sent by that interface alone'],
    ['doctor --json | jq -r \'select(.verdict == "bad") | .advice\'', 'what must be done'],
  ],

  async run({ options }, output) {
    const counts: Record<Verdict, number> = { good: 0, warning: 0, bad: 0, skipped: 0 };
    let exit: ExitCode = EXIT.done;
    await withInterrupts(async (signal) => {
      const findings = diagnose({
        ...bindOptions(options),
        ...(options.listen?.host === undefined ? {} : { listenHost: options.listen.host }),
        listenPort: options.listen?.port ?? 0,
        ...(options['no-nat'] ? { portMapping: false } : {}),
        ...(options['no-dht'] ? { dhtEntryPoints: [] } : {}),
        trackers: options.tracker,
        dhtNodes: options['dht-bootstrap'],
        downloadFolder: options.out ?? '.',
        signal,
      });
      for await (const finding of findings) {
        counts[finding.verdict]++;
        if (finding.code !== null && exit === EXIT.done) exit = exitCodeOf(finding.code);
        show(finding, output);
      }
    });
    output.event({ type: 'diagnosis', ...counts });
    output.result(summary(counts));
    return exit;
  },
});

function show(finding: Finding, output: Output): void {
  const { check, verdict, text: sentence, advice, details, code } = finding;
  output.event({ type: 'finding', check, verdict, text: sentence, advice, details, code });
  const head = `${output.paintResult(COLOURS[verdict], verdict.padEnd(VERDICT_CELLS))}  ${check}`;
  const texts = advice === null ? [sentence] : [sentence, advice];
  const lines = layOut(
    head,
    texts.map((each) => printable(each, MAX_TEXT_CELLS)),
    output.resultCells,
  );
  for (const line of lines) output.result(line);
}

/** Sentences in a column of their own, each on lines of its own. */
function layOut(head: string, texts: readonly string[], cells: number | null): string[] {
  const indent = VERDICT_CELLS + CHECK_CELLS + 4;
  const isNarrow = cells !== null && cells - indent < MIN_TEXT_CELLS;
  const margin = ' '.repeat(isNarrow ? NARROW_INDENT : indent);
  const room = cells === null ? Number.POSITIVE_INFINITY : Math.max(1, cells - margin.length);
  const lines = texts.flatMap((each) => wrap(each, room)).map((line) => `${margin}${line}`);
  if (isNarrow) return [head, ...lines];
  const [first = '', ...rest] = lines;
  return [`${head}${first.slice(cellsOf(head))}`, ...rest];
}

function summary({ warning, bad }: Readonly<Record<Verdict, number>>): string {
  if (bad > 0) return `${plural(bad, 'thing')} will not work, ${plural(warning, 'warning')}`;
  return warning > 0 ? `works, with ${plural(warning, 'warning')}` : 'all is well';
}

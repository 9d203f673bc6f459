/** Verbose: a line a client a second. */
import type { Observed } from './clients.js';
import type { Lab } from './lab.js';

export function verboseTeller(lab: Lab): (seconds: number, observed: readonly Observed[]) => void {
  let before: readonly number[] | undefined;
  return (seconds, observed) => {
    const sent = lab.sentBytes();
    const lines = observed.map(({ pieces, samples }, i) => {
      const up = ((sent[i] ?? 0) - (before?.[i] ?? 0)) / 1e6;
      const { unackedBytes, unsentBytes } = lab.sendBuffers(i);
      const parts = [
        `${i === 0 ? 'seed' : `   ${i}`} has ${pieces}`,
        before === undefined ? '' : `line ${up.toFixed(2)} MB/s`,
        `kernel ${kib(unackedBytes)}+${kib(unsentBytes)}`,
      ];
      const now = samples.at(-1);
      const then = samples.at(-5);
      if (now !== undefined && then !== undefined) {
        const rate = (of: 'uploadedBytes' | 'downloadedBytes') =>
          (((now[of] - then[of]) / 1e6) * (1_000 / (now.atMs - then.atMs))).toFixed(2);
        parts.push(
          `up ${rate('uploadedBytes')} down ${rate('downloadedBytes')} MB/s`,
          `peers ${now.peers} interested ${now.interested} unchoked ${now.unchoked} served ${now.served}`,
          `queue ${now.queuedBlocks} buffered ${kib(now.bufferedBytes)}`,
          `asks ${now.outstandingBlocks}/${now.requestLimit} of ${now.unchokedBy}/${now.interesting}`,
          now.endgame ? 'endgame' : '',
        );
      }
      return parts.filter(Boolean).join(' · ');
    });
    before = sent;
    process.stderr.write(`${seconds.toFixed(1)} s\n${lines.join('\n')}\n`);
  };
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}

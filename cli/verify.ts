/** `swarm verify`: compares files on disk with their torrent. */
import {
  printable,
  readTorrentFile,
  type Verification,
  type VerifiedFile,
  verifyFiles,
} from '../engine/torrent-files.js';
import { defineCommand, text, value } from './command.js';
import { EXIT } from './exit-codes.js';
import { hashingProgress } from './hashing-progress.js';
import { withInterrupts } from './interrupts.js';
import type { Output } from './output.js';

const MAX_PATH_CELLS = 500;
/** Ranges of bad pieces that people are shown; --json has them all. */
const MAX_RANGES = 40;

export const command = defineCommand({
  name: 'verify',
  about:
    'Hashes the files of a torrent on all cores and names the files and pieces that are missing or wrong. ' +
    'Exit code 6 when there are any.',
  positionals: { placeholder: 'FILE', min: 1, max: 1 },
  options: {
    out: value('DIR', 'the folder that the torrent was downloaded to (default: here)', text, 'o'),
  },
  examples: [
    ['verify film.torrent', 'the file is in the current folder'],
    ['verify film.torrent --out ~/downloads', 'it is in another one'],
    ['verify film.torrent --json | tail -n 1 | jq .badPieces', 'the numbers of the bad pieces'],
  ],

  async run({ positionals: [path = ''], options }, output) {
    const { metainfo } = await readTorrentFile(path);
    const root = options.out ?? '.';
    const checked = await withInterrupts((signal) =>
      verifyFiles(metainfo, root, { signal, onProgress: hashingProgress(output) }),
    );
    report(checked, output);
    if (checked.files.length > 0 && checked.files.every(({ verdict }) => verdict === 'missing')) {
      const [top = ''] = checked.files[0]?.diskPath.split('/') ?? [];
      output.note(`nothing of it is there: --out names the folder that holds ${printable(top)}`);
    }
    output.event({
      type: 'verified',
      complete: checked.complete,
      infoHash: metainfo.infoHash,
      pieceCount: metainfo.pieceCount,
      goodPieces: checked.good.count,
      badPieces: checked.badPieces,
    });
    return checked.complete ? EXIT.done : EXIT.verification;
  },
});

function report({ files, badPieces, good, complete }: Verification, output: Output): void {
  for (const file of files) {
    const { index, diskPath, verdict, lengthBytes, actualBytes } = file;
    output.event({ type: 'file', index, path: diskPath, verdict, lengthBytes, actualBytes });
    if (verdict !== 'ok')
      output.result(
        `${output.paintResult('red', verdict.padEnd(8))}  ${printable(diskPath, MAX_PATH_CELLS)}${explain(file)}`,
      );
  }
  if (badPieces.length > 0) output.result(`bad pieces: ${ranges(badPieces)}`);
  const verdict = complete
    ? output.paintResult('green', 'complete')
    : output.paintResult('red', 'not complete');
  output.result(`${verdict}: ${good.count} of ${good.size} pieces are good`);
}

function explain({ verdict, lengthBytes, actualBytes }: VerifiedFile): string {
  if (verdict === 'short' || verdict === 'long') return ` (${actualBytes} bytes instead of ${lengthBytes})`;
  if (verdict === 'unproven') return ' (shares a piece with a file that is missing or short)';
  return '';
}

/** `0-3, 7, 9-10`; `numbers` ascend. */
function ranges(numbers: readonly number[]): string {
  const found: [first: number, last: number][] = [];
  for (const number of numbers) {
    const open = found.at(-1);
    if (open !== undefined && open[1] === number - 1) open[1] = number;
    else found.push([number, number]);
  }
  const shown = found
    .slice(0, MAX_RANGES)
    .map(([first, last]) => (first === last ? first : `${first}-${last}`));
  const more = found.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more ranges` : shown.join(', ');
}

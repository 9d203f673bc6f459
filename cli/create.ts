/** `swarm create`: makes a torrent of a file or folder. */
import { basename, resolve } from 'node:path';
import { type CreateOptions, createTorrent, describeTorrent, printable } from '../engine/torrent-files.js';
import { formatBytes, formatSize } from '../tui/format.js';
import { defineCommand, flag, list, text, UsageError, value } from './command.js';
import { EXIT } from './exit-codes.js';
import { hashingProgress } from './hashing-progress.js';
import { withInterrupts } from './interrupts.js';
import type { Output } from './output.js';
import { assertWritable, replaceFile } from './replace-file.js';
import { parsePieceLength, parseUrl } from './units-text.js';
import { plural } from './words.js';

const TRACKER_SCHEMES = ['http', 'https', 'udp', 'ws', 'wss'];
const STDOUT = '-';

export const command = defineCommand({
  name: 'create',
  about: 'Makes a torrent of a file or folder. The same input and options always give the same bytes.',
  positionals: { placeholder: 'PATH', min: 1, max: 1 },
  options: {
    out: value('FILE', 'where to write it; - is stdout (default: NAME.torrent)', text, 'o'),
    force: flag('overwrite FILE if it exists', 'f'),
    tracker: list('URL[,URL…]', 'a tier of trackers, best first', parseTier),
    'web-seed': list('URL', 'a web server that has the data', (url) => parseUrl(url, ['http', 'https'])),
    'piece-length': value('SIZE', 'a power of two, 16K to 128M (default: by size)', parsePieceLength),
    private: flag('peers only from the trackers (BEP 27)'),
    comment: value('TEXT', 'a comment in the torrent', text),
    name: value('NAME', 'what the torrent is called (default: the name of PATH)', text),
  },
  examples: [
    ['create film.mkv -o film.torrent', 'a torrent without trackers'],
    [
      'create photos --tracker https://a.example/t --tracker udp://b.example:80',
      'two tiers: b is asked when a does not answer',
    ],
    ['create data.bin --private --tracker https://t.example/announce', 'a private torrent'],
    ['create data.bin -o - --quiet | ssh host tee data.torrent', 'through a pipe'],
  ],

  async run({ positionals: [path = ''], options }, output) {
    const file = options.out ?? `${basename(resolve(path))}.torrent`;
    const isStdout = file === STDOUT;
    if (isStdout) assertTakesBytes(output);
    else await assertWritable(file, options.force);
    const created = await withInterrupts((signal) =>
      createTorrent(path, { ...createOptions(options), signal, onProgress: hashingProgress(output) }),
    );
    const { bytes, metainfo, skipped } = created;
    for (const skippedName of skipped)
      output.note(`skipped ${printable(skippedName)}: not a file below ${printable(path)}`);
    if (isStdout) output.content(bytes);
    else await replaceFile(file, bytes, options.force);

    const { magnet, infoHash, name, totalBytes, pieceCount, pieceLength } = describeTorrent(metainfo);
    output.event({ type: 'created', file, infoHash, name, magnet, totalBytes, pieceCount, pieceLength });
    const what = isStdout ? `the torrent of ${printable(name)}` : printable(file);
    output.note(`${output.paint('green', 'created')} ${what}`);
    output.note(`  info-hash  ${infoHash}`);
    output.note(
      `  content    ${formatBytes(totalBytes)}, ${plural(pieceCount, 'piece')} of ${formatSize(pieceLength)}`,
    );
    output.note(`  magnet     ${printable(magnet, magnet.length)}`);
    return EXIT.done;
  },
});

/** @throws UsageError where the bytes of a torrent would do harm */
function assertTakesBytes(output: Output): void {
  if (output.json) throw new UsageError('-o - and --json both want stdout', 'Name a file with -o FILE.');
  if (output.isTerminal)
    throw new UsageError('a torrent is no text for a terminal', 'Name a file with -o FILE, or pipe it on.');
}

interface GivenOptions {
  readonly tracker: readonly (readonly string[])[];
  readonly 'web-seed': readonly string[];
  readonly 'piece-length': number | undefined;
  readonly private: boolean;
  readonly comment: string | undefined;
  readonly name: string | undefined;
}

function createOptions(given: GivenOptions): CreateOptions {
  return {
    trackers: given.tracker,
    webSeeds: given['web-seed'],
    ...(given['piece-length'] === undefined ? {} : { pieceLength: given['piece-length'] }),
    ...(given.private ? { private: true } : {}),
    ...(given.comment === undefined ? {} : { comment: given.comment }),
    ...(given.name === undefined ? {} : { name: given.name }),
  };
}

function parseTier(urls: string): readonly string[] {
  return urls.split(',').map((url) => parseUrl(url, TRACKER_SCHEMES));
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { FileLayout } from '../../engine/policy/file-layout.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { FileFacts } from '../../engine/storage/file-facts.js';
import type { Checkpoint, ResumeRecord } from '../../engine/storage/resume-lines.js';
import { verdictOf, verdictWithoutResume } from '../../engine/storage/resume-verdict.js';
import { asPiece } from '../../engine/units.js';

// Ten pieces of 100 bytes; three files: pieces 0–3 (and half of 4), half of 4–5, 6–9.
const layout = new FileLayout([
  { lengthBytes: 450, padding: false },
  { lengthBytes: 150, padding: false },
  { lengthBytes: 400, padding: false },
]);
const torrent = { layout, geometry: new TorrentGeometry(100, 1_000) };
const WRITTEN_MS = 1_700_000_000_000;
const WRITTEN_NS = BigInt(WRITTEN_MS) * 1_000_000n;

/** Sizes and times (ms after WRITTEN_MS) of the three files. */
function factsOf(...files: [size: number, afterMs: number][]): FileFacts {
  const facts = FileFacts.ofFiles(3);
  files.forEach(([size, afterMs], file) => {
    facts.set(file, BigInt(size), WRITTEN_NS + BigInt(afterMs) * 1_000_000n);
  });
  return facts;
}

const WHOLE = factsOf([450, 0], [150, 0], [400, 0]);

/** Draws pieces: `x` set. */
const draw = (pieces: Bitfield): string =>
  Array.from({ length: pieces.size }, (_, i) => (pieces.get(asPiece(i)) ? 'x' : '.')).join('');

function checkpointOf(have: string, facts = WHOLE, more: Partial<Checkpoint> = {}): Checkpoint {
  const field = new Bitfield(10);
  [...have].forEach((mark, i) => {
    if (mark === 'x') field.set(asPiece(i));
  });
  return {
    version: 1,
    infoHash: '',
    root: '',
    bootId: 'this',
    timeMs: WRITTEN_MS + 1_000,
    have: Buffer.from(field.toWire()).toString('base64'),
    files: facts.toStrings(),
    ...more,
  };
}

/** A `d` line for a piece in one file. */
const done = (piece: number, file: number, size: number, afterMs: number): ResumeRecord => [
  'd',
  piece,
  String(file),
  String(size),
  String(WRITTEN_NS + BigInt(afterMs) * 1_000_000n),
];

function verdict(checkpoint: Checkpoint, records: ResumeRecord[], actual: FileFacts, boot = 'this') {
  const { have, doubtful } = verdictOf({ checkpoint, records }, torrent, actual, boot);
  return `${draw(have)} ${draw(doubtful)}`;
}

test('believes files that are as they were left', () => {
  assert.equal(verdict(checkpointOf('xx.x......'), [], WHOLE), 'xx.x...... ..........');
});

test('adds what was written since the checkpoint', () => {
  const actual = factsOf([450, 50], [150, 0], [400, 70]);
  const records = [done(2, 0, 450, 50), done(7, 2, 400, 70)];
  assert.equal(verdict(checkpointOf('xx.x......'), records, actual), 'xxxx...x.. ..........');
});

test('doubts a piece whose write was cut, and no other', () => {
  const actual = factsOf([450, 90], [150, 0], [400, 0]);
  const records: ResumeRecord[] = [['w', 2, WRITTEN_MS + 60]];
  assert.equal(verdict(checkpointOf('xx.x..xx..'), records, actual), 'xx.x..xx.. ..x.......');
});

test('doubts a whole file that was touched later than a cut write can have', () => {
  const actual = factsOf([450, 9_000], [150, 0], [400, 0]);
  const records: ResumeRecord[] = [['w', 2, WRITTEN_MS + 60]];
  assert.equal(verdict(checkpointOf('xx.x..xx..'), records, actual), '......xx.. xxxxx.....');
});

test('doubts the pieces of a touched file only, the shared one included', () => {
  const actual = factsOf([450, 0], [150, 1], [400, 0]);
  assert.equal(verdict(checkpointOf('xxxxxxxxxx'), [], actual), 'xxxx..xxxx ....xx....');
});

test('doubts a file that is older than it was left', () => {
  const actual = factsOf([450, 0], [150, 0], [400, -1]);
  assert.equal(verdict(checkpointOf('xxxxxxxxxx'), [], actual), 'xxxxxx.... ......xxxx');
});

test('neither believes nor hashes what a short or missing file cannot hold', () => {
  const facts = factsOf([250, 0], [-1, 0], [400, 0]);
  assert.equal(verdict(checkpointOf('xxxxxxxxxx', facts), [], facts), 'xx....xxxx ..........');
  const { have, doubtful } = verdictWithoutResume(torrent, facts);
  assert.equal(`${draw(have)} ${draw(doubtful)}`, '.......... xx....xxxx');
});

test('after another boot believes only files at rest for two minutes before the checkpoint', () => {
  const facts = factsOf([450, 0], [150, 0], [400, 100_000]);
  const checkpoint = checkpointOf('xxxxxxxxxx', facts, { timeMs: WRITTEN_MS + 130_000 });
  assert.equal(verdict(checkpoint, [], facts, 'other'), 'xxxxxx.... ......xxxx');
  assert.equal(verdict(checkpoint, [], facts, ''), 'xxxxxx.... ......xxxx');
});

test('after another boot doubts a file that was written since the checkpoint', () => {
  const facts = factsOf([450, 0], [150, 0], [400, 0]);
  const checkpoint = checkpointOf('xxxxxx....', facts, { timeMs: WRITTEN_MS + 130_000 });
  const actual = factsOf([450, 140_000], [150, 0], [400, 0]);
  assert.equal(verdict(checkpoint, [done(0, 0, 450, 140_000)], actual, 'other'), '.....x.... xxxxx.....');
});

test('without a name for this boot nothing recent is believed', () => {
  const checkpoint = checkpointOf('xxxxxxxxxx', WHOLE, { bootId: '' });
  assert.equal(verdict(checkpoint, [], WHOLE, ''), '.......... xxxxxxxxxx');
});

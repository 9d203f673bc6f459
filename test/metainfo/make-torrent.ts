/** Makes torrent files for tests, well-formed unless told otherwise. */
import { type EncodableValue, encodeBencode } from '../../engine/metainfo/bencode.js';

type Fields = Readonly<Record<string, EncodableValue | undefined>>;

/** A single file `a.txt` of `length` bytes; `info` and `root` add, replace or (undefined) leave out fields. */
export function makeSingle(info: Fields = {}, root: Fields = {}): Uint8Array {
  return encodeBencode({
    info: { name: 'a.txt', length: 5, 'piece length': 16_384, pieces: new Uint8Array(20), ...info },
    ...root,
  });
}

/** A folder `root` of files; each is 1 byte long unless it says otherwise. */
export function makeFolder(files: readonly Fields[], info: Fields = {}, root: Fields = {}): Uint8Array {
  const list = files.map((file) => ({ length: 1, ...file }));
  const total = list.reduce((sum, { length }) => sum + (typeof length === 'number' ? length : 0), 0);
  return encodeBencode({
    info: {
      name: 'root',
      files: list,
      'piece length': 16_384,
      pieces: info.pieces ?? new Uint8Array(Math.ceil(total / 16_384) * 20),
      ...info,
    },
    ...root,
  });
}

/** A folder `root` with a 1-byte file at each path. */
export const makePaths = (...paths: readonly (readonly (string | Uint8Array)[])[]): Uint8Array =>
  makeFolder(paths.map((path) => ({ path })));

/** Files of a torrent: reads `info.length` or `info.files` (BEP 3, BEP 47) into checked files with disk paths. */
import type { BencodeDict, BencodeValue } from './bencode.js';
import { MAX_PATH_DEPTH, toDiskPaths } from './disk-path.js';
import { asBytes, asDict, asList, asWhole, refuse, type TextDecoding } from './fields.js';
import type { MetainfoFile } from './metainfo.js';

/** How BitComet named its padding files before BEP 47. */
const BITCOMET_PADDING = '_____padding_file_';
/** Of all files together, each a string to decode and to look at: 100,000 files ten deep, or 10,000 of a hundred. */
const MAX_NAMES = 1_000_000;
/** Letters of `attr` that anybody could mean something by. */
const MAX_ATTRIBUTES = 16;

type UnplacedFile = Omit<MetainfoFile, 'diskPath'>;

/**
 * Symbolic links (BEP 47 `l`) hold no bytes and are left out: none is ever made, so none can lead anywhere.
 * @throws SwarmError TORRENT_INVALID, TORRENT_TOO_LARGE or TORRENT_UNSAFE_PATH
 */
export function parseFiles(info: BencodeDict, name: string, text: TextDecoding): readonly MetainfoFile[] {
  if (!info.has('files')) {
    const attributes = attributesOf(info);
    return place(name, true, [
      {
        path: [name],
        lengthBytes: asLength(info.get('length'), 'info.length'),
        padding: false,
        executable: attributes.includes('x'),
      },
    ]);
  }
  const list = asList(info.get('files'), 'info.files');
  const names = list.reduce(
    (sum: number, item) => sum + (item instanceof Map ? pathOf(item).names.length : 0),
    0,
  );
  if (names > MAX_NAMES)
    throw refuse('info.files', list, `has more than ${MAX_NAMES} names in its paths`, 'TORRENT_TOO_LARGE');
  const files: UnplacedFile[] = [];
  const fields: string[] = [];
  list.forEach((item, index) => {
    const field = `info.files[${index}]`;
    const file = parseFile(asDict(item, field), field, text);
    if (file === undefined) return;
    files.push(file);
    fields.push(field);
  });
  if (files.length === 0) throw refuse('info.files', list, 'must hold a file');
  return place(name, false, files, fields);
}

function parseFile(file: BencodeDict, field: string, text: TextDecoding): UnplacedFile | undefined {
  const attributes = attributesOf(file);
  if (attributes.includes('l') && Array.isArray(file.get('symlink path'))) return undefined;
  const lengthBytes = asLength(file.get('length'), `${field}.length`);
  const marked = attributes.includes('p');
  const path = parsePath(file, field, text) ?? (marked ? ['.pad', String(lengthBytes)] : undefined);
  if (path === undefined) throw refuse(`${field}.path`, file.get('path'), 'must be a list of names');
  return {
    path,
    lengthBytes,
    padding: marked || (path.at(-1) ?? '').startsWith(BITCOMET_PADDING),
    executable: attributes.includes('x'),
  };
}

/** Undefined when the file has no path at all. */
function parsePath(file: BencodeDict, field: string, text: TextDecoding): readonly string[] | undefined {
  const { key, names } = pathOf(file);
  if (names.length === 0) return undefined;
  if (names.length > MAX_PATH_DEPTH)
    throw refuse(`${field}.${key}`, names, `is deeper than ${MAX_PATH_DEPTH}`, 'TORRENT_TOO_LARGE');
  return names.map((part) => text.decode(asBytes(part, `${field}.${key}`)));
}

/** The first of its lists that holds anything; no names when neither does. */
function pathOf(file: BencodeDict): { readonly key: string; readonly names: BencodeValue[] } {
  const preferred = file.get('path.utf-8');
  if (Array.isArray(preferred) && preferred.length > 0) return { key: 'path.utf-8', names: preferred };
  const path = file.get('path');
  return { key: 'path', names: Array.isArray(path) ? path : [] };
}

const asLength = (value: BencodeValue | undefined, field: string): number =>
  asWhole(value, field, 0, Number.MAX_SAFE_INTEGER);

function attributesOf(dict: BencodeDict): string {
  const value = dict.get('attr');
  return value instanceof Uint8Array ? String.fromCharCode(...value.subarray(0, MAX_ATTRIBUTES)) : '';
}

/** Gives the files their paths on disk: `name` itself, or below a folder of that name. */
function place(
  name: string,
  singleFile: boolean,
  files: readonly UnplacedFile[],
  fields: readonly string[] = [],
): readonly MetainfoFile[] {
  const diskPaths = toDiskPaths(
    files.map(({ path, padding }) => ({ names: singleFile ? path : [name, ...path], stored: !padding })),
    (index) => (singleFile ? 'info.name' : `${fields[index]}.path`),
  );
  return files.map((file, index) => ({ ...file, diskPath: diskPaths[index] ?? '' }));
}

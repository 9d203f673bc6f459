/**
 * Disk paths: the one way from a path in a torrent to a path below the download folder.
 *
 * What has no honest meaning (`..`, an absolute path, an empty name, one path twice, a file that is also a
 * folder) is refused. What is merely awkward becomes a safe name: characters that steer a terminal, that a
 * separator or, on Windows, that the system reserves, become `_`; a name of more than 255 bytes is cut before its
 * extension. Files whose paths then differ only by case or Unicode form, so that some file systems would take
 * them for one, are told apart by a number before the extension, the first in torrent order keeping its name.
 *
 * Symbolic links on the disk are for whoever opens the path to watch.
 */
import { refuse } from './fields.js';

/** NAME_MAX of Linux, macOS (in bytes) and NTFS (in UTF-16 units, which are fewer). */
const MAX_NAME_BYTES = 255;
/** Longer "extensions" are not kept when a name is cut. */
const MAX_EXTENSION_BYTES = 16;
/** PATH_MAX is 4,096: this leaves room for the download folder. */
const MAX_PATH_BYTES = 3_072;
export const MAX_PATH_DEPTH = 100;
/** Bounds the memory that a torrent of nothing but folders takes. */
const MAX_FOLDERS = 250_000;
/** Bounds the search for free names. The Linux kernel's sources need 13. */
const MAX_RENAMED = 10_000;

export interface TorrentPath {
  /** The torrent's `name` first. */
  readonly names: readonly string[];
  /** False: nothing is written under this path, so it may collide with others. */
  readonly stored: boolean;
}

/**
 * Safe relative paths, `/`-separated, one for each of `paths`, all of the stored ones different.
 * @param fieldOf names the field that the path of that index came from
 * @throws SwarmError TORRENT_UNSAFE_PATH, or TORRENT_TOO_LARGE for too many, too deep or too long folders
 */
export function toDiskPaths(
  paths: readonly TorrentPath[],
  fieldOf: (index: number) => string,
  windows = process.platform === 'win32',
): string[] {
  const tree = new PathTree(paths, fieldOf);
  const mapped = paths.map((path, index) =>
    path.names.map((name, depth) => toDiskName(name, depth === 0 ? 'info.name' : fieldOf(index), windows)),
  );
  const folders = mapped.map((names, index) => (paths[index]?.stored ? tree.addFolders(names, index) : 0));
  const renamed: number[] = [];
  mapped.forEach((names, index) => {
    if (paths[index]?.stored && !tree.addFile(folders[index] ?? 0, names.at(-1) ?? '', index))
      renamed.push(index);
  });
  if (renamed.length > MAX_RENAMED)
    throw refuse(
      'info.files',
      String(renamed.length),
      'has too many files that differ by case',
      'TORRENT_TOO_LARGE',
    );
  for (const index of renamed) {
    const names = mapped[index] ?? [];
    names.push(tree.addRenamed(folders[index] ?? 0, names.pop() ?? '', index));
  }
  return mapped.map((names, index) => {
    const path = names.join('/');
    if (path.length * 3 > MAX_PATH_BYTES && Buffer.byteLength(path) > MAX_PATH_BYTES)
      throw refuse(
        fieldOf(index),
        path,
        `makes a path of more than ${MAX_PATH_BYTES} bytes`,
        'TORRENT_UNSAFE_PATH',
      );
    return path;
  });
}

/** Nothing in it that any check below would look at twice. */
const PLAIN_NAME = /^[a-z0-9_-][a-z0-9_ -]*(?:\.[a-z0-9_-]+)*$/i;
/** C0, DEL, C1, bidi controls, line separators, lone surrogates, and the separator of Windows and SMB. */
const UNSAFE_CHARACTERS = /[\0-\x1f\x7f-\x9f\\\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;
const WINDOWS_CHARACTERS = /[<>:"|?*]/g;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i;

function toDiskName(name: string, field: string, windows: boolean): string {
  const problem = problemOf(name);
  if (problem !== undefined) throw refuse(field, name, problem, 'TORRENT_UNSAFE_PATH');
  if (!windows && name.length <= 80 && PLAIN_NAME.test(name)) return name;
  let safe = name.replace(UNSAFE_CHARACTERS, '_');
  if (windows) {
    safe = safe.replace(WINDOWS_CHARACTERS, '_').replace(/[. ]$/, '_');
    if (WINDOWS_DEVICE.test(safe)) safe = `_${safe}`;
  }
  return cutName(safe, '');
}

function problemOf(name: string): string | undefined {
  if (name === '') return 'has an empty name';
  if (name === '.' || name === '..') return 'climbs out of its folder';
  if (name.includes('/')) return 'has a "/" within a name';
  if (name.includes('\0')) return 'has a NUL within a name';
  if (name.includes('\\') && /^(?:[a-z]:)?\\|(?:^|\\)\.\.(?:\\|$)/i.test(name))
    return 'climbs out of its folder on Windows';
  return undefined;
}

/** `name` with `suffix` before its extension, in at most 255 bytes. */
function cutName(name: string, suffix: string): string {
  const longest = MAX_NAME_BYTES - suffix.length;
  if (suffix === '' && (name.length * 3 <= longest || Buffer.byteLength(name) <= longest)) return name;
  const dot = name.lastIndexOf('.');
  const extension =
    dot > 0 && Buffer.byteLength(name.slice(dot)) <= MAX_EXTENSION_BYTES ? name.slice(dot) : '';
  const base = Buffer.from(extension === '' ? name : name.slice(0, dot));
  let end = Math.min(base.length, longest - Buffer.byteLength(extension));
  while (end < base.length && ((base[end] ?? 0) & 0xc0) === 0x80) end--; // never within a character
  return `${base.toString('utf8', 0, end)}${suffix}${extension}`;
}

/** One string for all names that some file system takes for the same. */
function fold(name: string): string {
  return /^[\0-\x7f]*$/.test(name)
    ? name.toLowerCase()
    : name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

/**
 * Which folded names are taken, folder by folder. Folders are numbered, so that a name costs its own length and
 * not that of its path; the root is 0.
 */
class PathTree {
  readonly #folders = new Map<string, { id: number; file: number; depth: number }>();
  /** Folded path → the first file there. */
  readonly #files = new Map<string, number>();
  /** As the torrent writes them: the paths of files that collided. */
  readonly #collided = new Set<string>();
  /** Where to go on looking for a free number. */
  readonly #nextNumber = new Map<string, number>();
  readonly #paths: readonly TorrentPath[];
  readonly #fieldOf: (index: number) => string;

  constructor(paths: readonly TorrentPath[], fieldOf: (index: number) => string) {
    this.#paths = paths;
    this.#fieldOf = fieldOf;
  }

  /** @returns the number of the folder that the file stands in */
  addFolders(names: readonly string[], file: number): number {
    if (names.length > MAX_PATH_DEPTH + 1)
      throw refuse(
        this.#fieldOf(file),
        String(names.length),
        `is deeper than ${MAX_PATH_DEPTH}`,
        'TORRENT_TOO_LARGE',
      );
    let folder = 0;
    for (let depth = 1; depth < names.length; depth++) {
      const key = keyOf(folder, names[depth - 1] ?? '');
      const known = this.#folders.get(key);
      if (known !== undefined) {
        folder = known.id;
        continue;
      }
      folder = this.#folders.size + 1;
      if (folder > MAX_FOLDERS)
        throw refuse(
          'info.files',
          String(folder),
          `has more than ${MAX_FOLDERS} folders`,
          'TORRENT_TOO_LARGE',
        );
      this.#folders.set(key, { id: folder, file, depth });
    }
    return folder;
  }

  /** False: the name is taken by a path that is not the same, and the file needs another. */
  addFile(folder: number, name: string, file: number): boolean {
    const key = keyOf(folder, name);
    const asFolder = this.#folders.get(key);
    if (asFolder !== undefined && this.#sameNames(file, asFolder.file, asFolder.depth))
      throw refuse(this.#fieldOf(file), this.#shown(file), 'is a file and a folder', 'TORRENT_UNSAFE_PATH');
    const other = this.#files.get(key);
    if (other === undefined) {
      this.#files.set(key, file);
      if (asFolder === undefined) return true;
    } else if (
      this.#sameNames(file, other, this.#names(other).length) ||
      this.#collided.has(this.#shown(file))
    ) {
      throw refuse(this.#fieldOf(file), this.#shown(file), 'is there twice', 'TORRENT_UNSAFE_PATH');
    }
    this.#collided.add(this.#shown(file));
    return false;
  }

  /** @returns `name` with a number that makes it free */
  addRenamed(folder: number, name: string, file: number): string {
    const base = keyOf(folder, cutName(name, '.1'));
    for (let number = this.#nextNumber.get(base) ?? 1; ; number++) {
      const candidate = cutName(name, `.${number}`);
      const key = keyOf(folder, candidate);
      if (this.#folders.has(key) || this.#files.has(key)) continue;
      this.#files.set(key, file);
      this.#nextNumber.set(base, number + 1);
      return candidate;
    }
  }

  #names(file: number): readonly string[] {
    return this.#paths[file]?.names ?? [];
  }

  #shown(file: number): string {
    return this.#names(file).join('/');
  }

  #sameNames(file: number, other: number, depth: number): boolean {
    const names = this.#names(file);
    const otherNames = this.#names(other);
    return names.length === depth && names.every((name, i) => name === otherNames[i]);
  }
}

const keyOf = (folder: number, name: string): string => `${folder}/${fold(name)}`;

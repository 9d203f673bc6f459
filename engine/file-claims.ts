/**
 * File claims: which torrent of an engine has which files. Two that write one file would destroy each other's
 * content; any number may serve it.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SwarmError } from './errors.js';

export interface FileClaim {
  readonly infoHash: string;
  /** The download folder as given; it may be a link, and need not exist yet. */
  readonly folder: string;
  /** Relative to the folder, `/`-separated. */
  readonly diskPaths: readonly string[];
  readonly writes: boolean;
}

interface HeldClaim extends FileClaim {
  /** Where the folder really is. */
  readonly root: string;
  /** The path that all of its files are at or below: torrents that have none in common need no closer look. */
  readonly top: string;
}

export class FileClaims {
  /** By info-hash. */
  readonly #held = new Map<string, HeldClaim>();

  /** All of the files, or none. @throws SwarmError STORAGE_IN_USE naming the first file that another has */
  take(claim: FileClaim): void {
    const root = realFolder(resolve(claim.folder));
    const held = { ...claim, root, top: join(root, commonTop(claim.diskPaths)) };
    for (const other of this.#held.values()) {
      if (
        !(claim.writes || other.writes) ||
        !(isWithin(held.top, other.top) || isWithin(other.top, held.top))
      )
        continue;
      const path = firstCommon(held, other);
      if (path !== undefined) throw inUse(path, claim, other);
    }
    this.#held.set(claim.infoHash, held);
  }

  release(infoHash: string): void {
    this.#held.delete(infoHash);
  }
}

function firstCommon(claim: HeldClaim, other: HeldClaim): string | undefined {
  const theirs = new Set(other.diskPaths.map((path) => join(other.root, path)));
  return claim.diskPaths.map((path) => join(claim.root, path)).find((path) => theirs.has(path));
}

function inUse(path: string, claim: FileClaim, other: FileClaim): SwarmError {
  return new SwarmError(
    'STORAGE_IN_USE',
    `torrent ${other.infoHash} of this engine has the file ${path} too`,
    { path, infoHash: claim.infoHash, other: other.infoHash },
    { hint: 'Choose another folder with --out, or stop the other torrent first.' },
  );
}

/** As `realpath`, also of what is not there yet: it will be made below the part that is. */
function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realFolder(parent), basename(path));
  }
}

/** The first name of all paths; empty when they have none in common. */
function commonTop(paths: readonly string[]): string {
  const tops = new Set(paths.map((path) => path.split('/', 1)[0]));
  const [top = ''] = tops;
  return tops.size === 1 ? top : '';
}

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);

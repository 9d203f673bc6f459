/**
 * Errors: one union of stable codes. What a user, a script or a caller can act upon has a code; a code,
 * once published, keeps its meaning. The command line maps a code's group to its exit code.
 */

/** Code → what it means. The part before the first `_` is the group. */
export const ERROR_CODES = {
  USAGE_INVALID_OPTION: 'an option has an unusable value',
  USAGE_NOT_SUPPORTED: 'this version cannot do that',
  TORRENT_NOT_BENCODE: 'the torrent file is not valid bencode',
  TORRENT_INVALID: 'a field of the torrent file is missing or impossible',
  TORRENT_UNSAFE_PATH: 'a path in the torrent file would leave the download folder or cannot exist',
  TORRENT_TOO_LARGE: 'the torrent file exceeds a limit',
  TORRENT_NOT_SUPPORTED: 'the torrent needs a version of the protocol that this program does not speak',
  INPUT_NOT_FOUND: 'the file or folder to read does not exist or cannot be read',
  INPUT_INVALID: 'the input cannot be used',
  PEERS_NONE: 'nothing to download from',
  STORAGE_NO_SPACE: 'the disk is full',
  STORAGE_NO_PERMISSION: 'the file system does not allow it',
  STORAGE_READ_ONLY: 'the file system is read-only',
  STORAGE_EXISTS: 'something that must not be overwritten is in the way',
  STORAGE_MISSING: 'the download folder or a file in it has vanished',
  STORAGE_UNSAFE_PATH: 'a path on disk leads out of the download folder',
  STORAGE_IN_USE: 'another torrent has the same file',
  STORAGE_FAILED: 'the file system reported a fault',
  VERIFY_MISMATCH: 'data on disk does not match the torrent',
  ADDRESS_UNAVAILABLE: 'an address or port is not available',
  ADDRESS_NOT_MAPPED: 'no router forwards a port to us',
  TRACKER_REFUSED: 'the tracker refused the announce',
  TRACKER_UNREACHABLE: 'the tracker did not answer',
  TRACKER_BAD_ANSWER: 'the tracker sent an answer that cannot be used',
  TRACKER_FORBIDDEN_ADDRESS: 'the tracker address is not one we talk to',
  CLOSED: 'the engine, torrent or connection is closed',
  INTERNAL: 'a fault of this program',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Values of the fault, for programs: `{ field: 'piece length', value: '-1' }`. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** The only error the engine throws on purpose. `message` is for people, `code` and `details` for programs. */
export class SwarmError extends Error {
  override readonly name = 'SwarmError';
  /** One sentence on what the user can do, where there is something to do. */
  readonly hint: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

/** Turns anything thrown into a coded error; an unknown one becomes `fallback`. */
export function toSwarmError(thrown: unknown, fallback: ErrorCode = 'INTERNAL'): SwarmError {
  if (thrown instanceof SwarmError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SwarmError(fallback, message, {}, { cause: thrown });
}

const STORAGE_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_NO_SPACE',
  EDQUOT: 'STORAGE_NO_SPACE',
  EACCES: 'STORAGE_NO_PERMISSION',
  EPERM: 'STORAGE_NO_PERMISSION',
  EROFS: 'STORAGE_READ_ONLY',
  EEXIST: 'STORAGE_EXISTS',
  ENOENT: 'STORAGE_MISSING',
  ENOTDIR: 'STORAGE_MISSING',
  ELOOP: 'STORAGE_UNSAFE_PATH',
};

const STORAGE_HINTS: Partial<Record<ErrorCode, string>> = {
  STORAGE_NO_SPACE: 'Free some space or choose another folder with --out, then run the same command again.',
  STORAGE_NO_PERMISSION: 'Choose a folder you may write to with --out, or change its permissions.',
  STORAGE_READ_ONLY: 'Choose a folder on a writable disk with --out.',
  STORAGE_MISSING: 'Put the folder or disk back and run the same command again.',
};

/** Names a file system fault by its errno. */
export function storageError(thrown: unknown, path: string): SwarmError {
  if (thrown instanceof SwarmError) return thrown;
  const errno = (thrown as NodeJS.ErrnoException | undefined)?.code ?? 'unknown';
  const code = STORAGE_CODES[errno] ?? 'STORAGE_FAILED';
  const hint = STORAGE_HINTS[code];
  return new SwarmError(
    code,
    `${ERROR_CODES[code]}: ${path} (${errno})`,
    { path, errno },
    {
      cause: thrown,
      ...(hint === undefined ? {} : { hint }),
    },
  );
}

/** Machine checks: what of this machine itself can keep a download from working; nothing is sent. */
import { access, constants, open, readFile, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { storageError } from '../errors.js';
import { type Interfaces, ownInterfaces } from '../own-interfaces.js';
import { addressKind } from '../policy/ip-address.js';
import { bad, type CheckName, type Finding, good, skipped, warning } from './finding.js';

/** Free space below which a download of usual size will not fit. */
const LITTLE_SPACE_BYTES = 1024 ** 3;
/** Below it even resume data may not. */
const NO_SPACE_BYTES = 16 * 1024 ** 2;
/** 200 peers, 96 attempts, files, workers. */
const ENOUGH_FILES = 1_024;
const TOO_FEW_FILES = 256;
/** Differences between the two clocks that a slow machine can have by itself. */
const CLOCK_STEP_MS = 1_000;
/** Others' clocks are not right to the second, and nothing here needs them to be. */
const CLOCK_OFF_MS = 5 * 60_000;

export interface Address {
  readonly device: string;
  readonly host: string;
  readonly kind: ReturnType<typeof addressKind>;
}

/** What this machine is reached at, loopback excepted. */
export function ownAddresses(interfaces: Interfaces = ownInterfaces()): Address[] {
  return Object.entries(interfaces).flatMap(([device, infos]) =>
    (infos ?? [])
      .filter(({ internal }) => !internal)
      .map(({ address }) => ({ device, host: address, kind: addressKind(address) })),
  );
}

export function checkAddresses(addresses: readonly Address[]): Finding {
  const useful = addresses.filter(({ kind }) => kind !== 'link');
  if (useful.length === 0)
    return bad('addresses', 'ADDRESS_UNAVAILABLE', 'this machine is on no network', {
      advice: 'Connect it to a network.',
      details: { addresses },
    });
  const texts = useful.map(
    ({ device, host, kind }) => `${host} (${device}, ${kind === 'none' ? 'reserved' : kind})`,
  );
  return good('addresses', texts.join(', '), { addresses });
}

/**
 * @param begunAt what both clocks said when the diagnosis began
 * @param offsetsMs by how much clocks of others were ahead of ours, as they say; one of them may be right
 */
export async function checkClock(
  begunAt: { readonly wallMs: number; readonly steadyMs: number },
  now: { readonly wallMs: number; readonly steadyMs: number },
  offsetsMs: readonly number[] = [],
): Promise<Finding> {
  const { mtimeMs } = await stat(new URL(import.meta.url));
  const time = new Date(now.wallMs).toISOString();
  const advice = 'Set the clock, best by a time service (timedatectl set-ntp true).';
  if (now.wallMs < mtimeMs)
    return bad(
      'clock',
      'TRACKER_UNREACHABLE',
      `it is ${time}, before this program was installed: HTTPS trackers will be refused`,
      { advice, details: { time } },
    );
  const stepMs = now.wallMs - begunAt.wallMs - (now.steadyMs - begunAt.steadyMs);
  if (Math.abs(stepMs) > CLOCK_STEP_MS)
    return warning('clock', `it is ${time}, and the clock was just moved by ${Math.round(stepMs)} ms`, {
      advice,
      details: { time, stepMs },
    });
  const [offsetMs] = [...offsetsMs].sort((a, b) => Math.abs(a) - Math.abs(b));
  if (offsetMs === undefined)
    return skipped(
      'clock',
      `it is ${time}; compared with our own files only, as nobody was asked who tells the time`,
      'Name an HTTP tracker with --tracker: its answer has the time.',
      { time },
    );
  const details = { time, offsetMs };
  if (Math.abs(offsetMs) <= CLOCK_OFF_MS)
    return good('clock', `it is ${time}, as the tracker's clock has it`, details);
  const text = `it is ${time}, but by the tracker's clock ${new Date(now.wallMs + offsetMs).toISOString()}`;
  return warning('clock', `${text}: where ours is wrong, HTTPS trackers are refused`, { advice, details });
}

/** Whether `folder`, or the one that it would be made in, can be written to and has room. */
export async function checkFolder(check: CheckName, folder: string): Promise<Finding> {
  try {
    const place = await existing(folder);
    await writeProbe(place);
    const { bavail, bsize } = await statfs(place);
    const freeBytes = bavail * bsize;
    const details = { folder, freeBytes };
    const text = `${folder} can be written to, ${sizeText(freeBytes)} free`;
    const advice = 'Free some space, or choose another folder.';
    if (freeBytes < NO_SPACE_BYTES) return bad(check, 'STORAGE_NO_SPACE', text, { advice, details });
    return freeBytes < LITTLE_SPACE_BYTES
      ? warning(check, text, { advice, details })
      : good(check, text, details);
  } catch (thrown) {
    const { code, message, hint } = storageError(thrown, folder);
    return bad(check, code, message, {
      ...(hint === undefined ? {} : { advice: hint }),
      details: { folder },
    });
  }
}

/** @param limits the text of /proc/self/limits, which other systems do not have */
export async function checkOpenFiles(limits?: string): Promise<Finding> {
  const table = limits ?? (await readFile('/proc/self/limits', 'utf8').catch(() => ''));
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(table)?.[1];
  if (soft === undefined) return good('open files', 'this system does not tell its limit');
  const openFiles = soft === 'unlimited' ? null : Number(soft);
  const text = `${openFiles ?? 'any number of'} files and connections may be open`;
  const rest = { advice: 'Raise it before starting: ulimit -n 4096.', details: { openFiles } };
  if (openFiles === null || openFiles >= ENOUGH_FILES) return good('open files', text, { openFiles });
  return openFiles < TOO_FEW_FILES
    ? bad('open files', 'STORAGE_FAILED', text, rest)
    : warning('open files', text, rest);
}

/** The folder, or the nearest above it that is there. */
async function existing(folder: string): Promise<string> {
  for (let place = folder; ; place = dirname(place)) {
    try {
      await access(place, constants.W_OK | constants.X_OK);
      return place;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(place) === place) throw error;
    }
  }
}

/** A right to write is no proof that the disk takes it. */
async function writeProbe(folder: string): Promise<void> {
  const path = join(folder, `.swarm-doctor-${process.pid}`);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.write('swarm doctor');
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

function sizeText(bytes: number): string {
  const [unit, scale] = bytes >= 1024 ** 3 ? ['GiB', 1024 ** 3] : ['MiB', 1024 ** 2];
  return `${(bytes / Number(scale)).toFixed(1)} ${unit}`;
}

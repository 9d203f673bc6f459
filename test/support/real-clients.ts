/** Real clients behind one interface: each seeds and downloads torrents whose tracker is in their files or links. */
import type { ClientName, Scope } from './clients.js';
import type { NetworkSide } from './namespaces.js';

export interface Job {
  /** Paths of torrent files; who downloads may be given magnet links. */
  readonly torrents: readonly string[];
  /** Holds, or receives, the torrents' files and folders. */
  readonly folder: string;
}

export interface RealClient {
  readonly name: string;
  readonly needs: readonly ClientName[];
  /** Refuses to talk to 127.0.0.0/8. */
  readonly needsNamespaces: boolean;
  /** Announces over UDP as we start it. */
  readonly speaksUdp: boolean;
  /** Does not create files of 0 bytes. */
  readonly omitsEmptyFiles: boolean;
  /** Resolves when it is started; it announces itself soon after. */
  seed(scope: Scope, side: NetworkSide, job: Job): Promise<void>;
  /** Resolves when it says that everything of all of them is there and verified. */
  get(scope: Scope, side: NetworkSide, job: Job): Promise<void>;
}

/** Asks again and again, a few times a second, until the answer is true. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

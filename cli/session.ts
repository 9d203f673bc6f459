/**
 * Session: an engine on the command line. Shows what happens in the form that was asked for (dashboard, live
 * line, plain lines, JSON events) until the command's own condition is met or the user interrupts.
 */
import { Engine, type EngineOptions, type EngineSnapshot, printable, type Torrent } from '../engine/index.js';
import { formatBytes, formatDuration, formatRate } from '../tui/format.js';
import { withInterrupts } from './interrupts.js';
import type { Output } from './output.js';

const TICK_MS = 250;
const MAX_NAME_CELLS = 30;
/** Ctrl-C: after this long we leave, said goodbye or not. */
const LEAVE_WITHIN_MS = 2_900;

export interface SessionOptions {
  readonly engine: EngineOptions;
  readonly dashboard: boolean;
}

export interface Session {
  readonly engine: Engine;
  /** Aborted by the first interrupt, or by leaving the dashboard. */
  readonly signal: AbortSignal;
  /** What `work` gives; rejects with the signal's reason when that comes first. */
  unlessLeft<T>(work: Promise<T>): Promise<T>;
  /** Calls `check` a few times a second until it is true; rejects with the signal's reason. */
  until(check: () => boolean): Promise<void>;
}

/**
 * Runs `work` with an engine that is closed afterwards, however it ends.
 * @throws whatever `work` throws; SwarmError ADDRESS_UNAVAILABLE
 */
export function withSession<T>(
  options: SessionOptions,
  output: Output,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return withInterrupts(async (interrupt) => {
    const engine = await Engine.create(options.engine);
    const leaving = new AbortController();
    const signal = AbortSignal.any([interrupt, leaving.signal]);
    const view = options.dashboard
      ? await openDashboard(engine, () => leaving.abort(new Error('left')))
      : lines(engine, output);
    try {
      return await work({
        engine,
        signal,
        unlessLeft: (promise) => Promise.race([promise, rejection(signal)]),
        until: (check) => until(check, signal),
      });
    } finally {
      view.close();
      await within(LEAVE_WITHIN_MS, engine.close());
    }
  });
}

/** Tells what happens to a torrent as JSON events and, where it matters to people, as lines. */
export function tellEvents(torrent: Torrent, output: Output): void {
  const { infoHash, name, totalBytes, pieceCount, files } = torrent.metainfo;
  output.event({ type: 'added', infoHash, name, totalBytes, pieceCount, fileCount: files.length });
  torrent.onEvent((event) => {
    // One a piece is for programs that link the library; `progress` sums them up.
    if (event.type === 'piece') return;
    output.event({ infoHash, ...event });
    if (event.type === 'peer-banned') {
      output.note(
        `${output.paint('yellow', 'banned')} ${event.host}:${event.port}: ${printable(event.reason)}`,
      );
    }
  });
}

interface View {
  close(): void;
}

async function openDashboard(engine: Engine, onQuit: () => void): Promise<View> {
  const dashboard = await import('../tui/index.js');
  return dashboard.openDashboard({ snapshot: () => engine.snapshot(), onQuit });
}

function lines(engine: Engine, output: Output): View {
  const show = () => {
    const snapshot = once(() => engine.snapshot());
    output.progress(
      performance.now(),
      () => liveLine(snapshot()),
      () => progressEvent(snapshot()),
    );
  };
  const timer = setInterval(show, TICK_MS);
  return { close: () => clearInterval(timer) };
}

/** `film.mkv  42.1 %  1.20 of 2.85 GiB  ↓ 12.3 MiB/s  ↑ 1.02 MiB/s  eta 2m 10s  5 peers`. */
export function liveLine(snapshot: EngineSnapshot): string {
  const { torrents } = snapshot;
  const checking = torrents.find(({ phase }) => phase === 'checking');
  const [first] = torrents;
  const name =
    torrents.length === 1 && first ? printable(first.name, MAX_NAME_CELLS) : `${torrents.length} torrents`;
  if (checking !== undefined && checking.haveBytes === 0) {
    return `${name}  checking what is on disk: ${percent(checking.checkedShare)}`;
  }
  const have = sum(torrents.map(({ haveBytes }) => haveBytes));
  const wanted = sum(torrents.map(({ wantedBytes }) => wantedBytes));
  const rates = `↓ ${formatRate(snapshot.downloadBytesPerSecond)}  ↑ ${formatRate(snapshot.uploadBytesPerSecond)}`;
  const peers = `${snapshot.peerCount} peer${snapshot.peerCount === 1 ? '' : 's'}`;
  if (have === wanted) {
    const sent = sum(torrents.map(({ uploadedBytes }) => uploadedBytes));
    return `${name}  seeding  ${rates}  sent ${formatBytes(sent)}  ${peers}`;
  }
  const etas = torrents.map(({ etaSeconds }) => etaSeconds).filter((eta) => eta !== null);
  const eta = etas.length === torrents.length ? formatDuration(Math.max(...etas)) : '–';
  const done = percent(wanted === 0 ? 1 : have / wanted);
  return `${name}  ${done}  ${formatBytes(have)} of ${formatBytes(wanted)}  ${rates}  eta ${eta}  ${peers}`;
}

function progressEvent(snapshot: EngineSnapshot) {
  return {
    type: 'progress',
    downloadBytesPerSecond: Math.round(snapshot.downloadBytesPerSecond),
    uploadBytesPerSecond: Math.round(snapshot.uploadBytesPerSecond),
    peers: snapshot.peerCount,
    torrents: snapshot.torrents.map((torrent) => ({
      infoHash: torrent.infoHash,
      phase: torrent.phase,
      haveBytes: torrent.haveBytes,
      wantedBytes: torrent.wantedBytes,
      downloadedBytes: torrent.downloadedBytes,
      uploadedBytes: torrent.uploadedBytes,
      wastedBytes: torrent.wastedBytes,
      etaSeconds: torrent.etaSeconds,
    })),
  };
}

function until(check: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearInterval(timer);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => end(() => reject(signal.reason));
    const timer = setInterval(() => {
      if (check()) end(resolve);
    }, TICK_MS);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

/** Never resolves; rejects with the signal's reason. */
function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Waits for `work`, but no longer than `ms`. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}

/** Rounds down: 100 % means all of it. */
const percent = (share: number): string => `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

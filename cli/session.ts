/**
 * Session: an engine on the command line. Shows what happens in the form that was asked for until the command's own
 * condition is met or the user interrupts, and then takes leave of everybody.
 */
import { Engine, type EngineOptions, type EngineSnapshot, type Torrent } from '../engine/index.js';
import type { CommandEvent } from './events.js';
import { unlessAborted, withInterrupts } from './interrupts.js';
import { liveLines, ratioOf } from './live-lines.js';
import type { Output } from './output.js';
import { openDashboard, openLines } from './view.js';
import { tellWayIn } from './way-in.js';
import { tellWayOut } from './way-out.js';

const CHECK_MS = 100;
/** Leaving is not worth a word before. */
const SILENT_MS = 300;
/** Ctrl-C: after this long we leave, said goodbye or not. */
const LEAVE_WITHIN_MS = 2_700;

export interface SessionOptions {
  readonly engine: EngineOptions;
  readonly dashboard: boolean;
  /** People want to know whether others can reach us. */
  readonly isServing?: boolean;
}

export interface Session {
  readonly engine: Engine;
  /** What `work` gives; throws Interrupted when the user wants to leave first. */
  unlessLeft<T>(work: Promise<T>): Promise<T>;
  /** Calls `check` several times a second until it is true; throws Interrupted when the user wants to leave. */
  until(check: () => boolean): Promise<void>;
}

/**
 * Runs `work` with an engine that is closed afterwards, however it ends.
 * @throws whatever `work` throws; SwarmError ADDRESS_UNAVAILABLE
 */
export function withSession<T>(
  { engine: engineOptions, dashboard, isServing = false }: SessionOptions,
  output: Output,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return withInterrupts(async (signal, interrupt) => {
    const engine = await Engine.create(engineOptions);
    const view = dashboard
      ? await openDashboard(() => engine.snapshot(), interrupt, output)
      : openLines(() => show(engine, output));
    const isProxied = engineOptions.proxy !== undefined;
    const stopTelling = [tellWayIn(engine, isServing || isProxied, output), tellWayOut(engine, output)];
    try {
      return await work({
        engine,
        unlessLeft: (promise) => unlessAborted(promise, signal),
        until: (check) => until(check, signal),
      });
    } finally {
      for (const stop of stopTelling) stop();
      view.close();
      await leave(engine, output);
    }
  });
}

/** What is summed up when a torrent's time is over, or when all of it is there. */
export function summaryOf(torrent: Torrent, startedAt: number): CommandEvent & { type: 'summary' } {
  const snapshot = torrent.snapshot();
  const { infoHash, name, phase, haveBytes, wantedBytes, downloadedBytes, uploadedBytes } = snapshot;
  return {
    type: 'summary',
    infoHash,
    name,
    phase,
    haveBytes,
    wantedBytes,
    downloadedBytes,
    uploadedBytes,
    ratio: ratioOf(snapshot),
    seconds: Math.round(performance.now() - startedAt) / 1000,
  };
}

function show(engine: Engine, output: Output): void {
  let made: EngineSnapshot | undefined;
  const snapshot = () => {
    made ??= engine.snapshot();
    return made;
  };
  output.progress(
    performance.now(),
    (cells) => liveLines(snapshot(), cells, (colour, text) => output.paint(colour, text)),
    () => progressEvent(snapshot()),
  );
}

function progressEvent(snapshot: EngineSnapshot): CommandEvent {
  return {
    type: 'progress',
    downloadBytesPerSecond: Math.round(snapshot.downloadBytesPerSecond),
    uploadBytesPerSecond: Math.round(snapshot.uploadBytesPerSecond),
    peers: snapshot.peerCount,
    torrents: snapshot.torrents.map(
      ({
        infoHash,
        phase,
        haveBytes,
        wantedBytes,
        downloadedBytes,
        uploadedBytes,
        wastedBytes,
        etaSeconds,
      }) => ({
        infoHash,
        phase,
        haveBytes,
        wantedBytes,
        downloadedBytes,
        uploadedBytes,
        wastedBytes,
        etaSeconds: etaSeconds === null ? null : Math.ceil(etaSeconds),
      }),
    ),
  };
}

async function until(check: () => boolean, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const checked = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (check()) resolve();
    }, CHECK_MS);
  });
  try {
    await unlessAborted(checked, signal);
  } finally {
    clearInterval(timer);
  }
}

/** Waits until trackers know and resume data is written, but not for long. */
async function leave(engine: Engine, output: Output): Promise<void> {
  const closed = engine.close();
  const said = setTimeout(() => output.note('saying goodbye … Ctrl-C leaves at once'), SILENT_MS);
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => {
    late = setTimeout(resolve, LEAVE_WITHIN_MS);
  });
  await Promise.race([closed, tooLate]);
  clearTimeout(said);
  clearTimeout(late);
}

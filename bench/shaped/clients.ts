/** Clients of a shaped swarm: each as its user would start it, to stay when it is done. */
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { startAria2 } from '../../test/support/aria2.js';
import type { CleanUp } from '../../test/support/cleanup.js';
import { type ClientName, type RunningClient, startClient } from '../../test/support/clients.js';
import { startLibtorrent } from '../../test/support/libtorrent.js';
import type { NetworkSide } from '../../test/support/namespaces.js';
import { buildRoot, plainCommandFile } from '../../test/support/root.js';
import { swarmCommandLine } from '../../test/support/swarm-command.js';
import type { PeerSample, PieceSample, Sample } from './probe.js';

export interface Place {
  readonly scope: CleanUp;
  readonly side: NetworkSide;
  readonly torrent: string;
  /** Holds, or receives, the content. */
  readonly folder: string;
  readonly contentName: string;
  readonly pieceCount: number;
}

/** What became known of a client so far. */
export class Observed {
  pieces = 0;
  /** Ours only. */
  readonly samples: Sample[] = [];
  readonly verified: PieceSample[] = [];
  readonly heard: PeerSample[] = [];
  readonly asked: PeerSample[] = [];
  /** When the command first told each type of event. */
  readonly firstAtMs: Record<string, number> = {};
  /** The Unix time in milliseconds at which it had everything; rejects when it ends before. */
  readonly finished: Promise<number>;
  finish!: () => void;

  /** @param onLine gets every line that it prints on stdout */
  constructor(client: RunningClient, onLine: (line: string, observed: Observed) => void) {
    const { process } = client;
    this.finished = new Promise((resolve, reject) => {
      this.finish = () => resolve(Date.now());
      process.once('close', () =>
        reject(new Error(`${process.spawnargs.join(' ')} ended:\n${client.output()}`)),
      );
    });
    // A seed's is nobody's to wait for.
    this.finished.catch(() => {});
    if (process.stdout !== null) createInterface(process.stdout).on('line', (line) => onLine(line, this));
  }
}

export interface ClientKind {
  readonly name: string;
  readonly needs: readonly ClientName[];
  /** Resolves when it is started; it announces itself soon after. */
  seed(place: Place): Promise<Observed>;
  get(place: Place): Promise<Observed>;
}

const probe = join(buildRoot, 'bench/shaped/probe.js');

async function startSwarm(place: Place, isProbed: boolean, args: readonly string[]): Promise<Observed> {
  const { scope, side } = place;
  const [host] = side.hosts;
  const real = swarmCommandLine(side);
  // The probe goes between node and the command, which must share its modules.
  const probed = [...real.slice(0, -1), '--import', probe, plainCommandFile];
  const [command = '', ...rest] = isProbed ? probed : real;
  const flags = [...args, '--listen', `${host}:0`, '--json', '--quiet'];
  const env = { ...process.env, XDG_STATE_HOME: join(dirname(place.torrent), `state ${host}`) };
  const client = startClient(scope, command, [...rest, ...flags], { env });
  return new Observed(client, (line, observed) => {
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as Sample | PieceSample | PeerSample | { type: 'complete' };
    observed.firstAtMs[event.type] ??= Date.now();
    if (event.type === 'complete') observed.finish();
    else if (event.type === 'verified') observed.verified.push(event);
    else if (event.type === 'heard') observed.heard.push(event);
    else if (event.type === 'asked') observed.asked.push(event);
    else if (event.type === 'sample') {
      observed.samples.push(event);
      observed.pieces = event.pieces;
    }
  });
}

const ours = (isProbed: boolean): ClientKind => ({
  name: 'swarm',
  needs: [],
  seed: (place) => {
    const path = join(place.folder, place.contentName);
    return startSwarm(place, isProbed, ['seed', path, '--torrent', place.torrent]);
  },
  get: (place) =>
    startSwarm(place, isProbed, ['get', place.torrent, '--out', place.folder, '--keep-seeding']),
});

/** With the probe in it, for the accounts of where the time went. */
export const probedSwarm = ours(true);
/** As it is. */
export const swarm = ours(false);

async function libtorrentClient({ scope, side, torrent, folder }: Place, seed: boolean): Promise<Observed> {
  const torrents = [{ file: torrent, folder, seed }];
  const { client } = await startLibtorrent(scope, side, { torrents, tellPieces: true });
  return new Observed(client, (line, observed) => {
    // The first may be the rest of the line that told that it listens.
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as { event: string; count?: number };
    if (event.event === 'finished') observed.finish();
    else if (event.event === 'pieces') observed.pieces = event.count ?? 0;
  });
}

export const libtorrent: ClientKind = {
  name: 'libtorrent',
  needs: ['libtorrent'],
  seed: (place) => libtorrentClient(place, true),
  get: (place) => libtorrentClient(place, false),
};

async function aria2Client(
  { scope, side, torrent, folder, pieceCount }: Place,
  more: readonly string[],
): Promise<Observed> {
  const job = { torrents: [torrent], folder };
  // It goes on seeding without a word; echo tells its arguments: an id, the number of files, the first.
  const hook = '--on-bt-download-complete=/bin/echo';
  const flags = ['--seed-ratio=0.0', '--summary-interval=1', hook, ...more];
  return new Observed(await startAria2(scope, side, job, flags), (line, observed) => {
    if (/^[0-9a-f]{16} \d+ /.test(line)) {
      observed.finish();
      observed.pieces = pieceCount;
    }
    const [, percent] = /\((\d+)%\)/.exec(line) ?? [];
    if (percent !== undefined) observed.pieces = Math.floor((Number(percent) / 100) * pieceCount);
  });
}

export const aria2: ClientKind = {
  name: 'aria2',
  needs: ['aria2c'],
  seed: (place) => aria2Client(place, ['--check-integrity=true']),
  get: (place) => aria2Client(place, []),
};

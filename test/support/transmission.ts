/** Transmission as a peer: the daemon, driven through its RPC. It talks to no peer on 127.0.0.0/8. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PeerAddress } from '../../engine/units.js';
import { temporaryFolder } from './cleanup.js';
import { type Scope, startClient } from './clients.js';
import { freePort } from './free-port.js';
import type { NetworkSide } from './namespaces.js';
import { type Job, type RealClient, until } from './real-clients.js';

export interface TransmissionDaemon {
  /** Where it takes peers. */
  readonly address: PeerAddress;
  /** Resolves when it answers. */
  answers(): Promise<void>;
  /** Adds the torrents, paused or not. */
  add(job: Job, paused: boolean): Promise<void>;
  /** Hashes what is on disk; resolves when done. */
  verify(): Promise<void>;
  start(): Promise<void>;
  /** Whether every torrent is complete and verified. */
  isComplete: () => Promise<boolean>;
}

export async function startTransmission(
  scope: Scope,
  side: NetworkSide,
  more: Settings = {},
  files: Files = {},
): Promise<{ daemon: TransmissionDaemon; peerPort: number }> {
  const { command, daemon, peerPort } = await prepareTransmission(scope, side, more, files);
  const [program = '', ...args] = command;
  const client = startClient(scope, program, args);
  const ended = once(client.process, 'exit').then(([code, signal]) => {
    throw new Error(`transmission-daemon ended by itself with ${code ?? signal}:\n${client.output()}`);
  });
  ended.catch(() => {});
  await Promise.race([daemon.answers(), ended]);
  const { isComplete } = daemon;
  // Who has died does not answer: that it has says more.
  daemon.isComplete = () => Promise.race([isComplete(), ended]);
  return { daemon, peerPort };
}

/** Of `settings.json`, over our own. */
type Settings = Readonly<Record<string, unknown>>;
/** Of its configuration folder: name → content. */
type Files = Readonly<Record<string, string>>;

/** Writes its settings. @returns what starts it, and its remote control */
export async function prepareTransmission(
  scope: Scope,
  side: NetworkSide,
  more: Settings = {},
  files: Files = {},
): Promise<{ command: string[]; daemon: TransmissionDaemon; peerPort: number }> {
  const [host] = side.hosts;
  const config = await temporaryFolder(scope);
  const rpcPort = await freePort();
  const peerPort = await freePort();
  const settings = {
    'bind-address-ipv4': host,
    'peer-port': peerPort,
    'rpc-port': rpcPort,
    'rpc-bind-address': host,
    'rpc-whitelist-enabled': false,
    'rpc-host-whitelist-enabled': false,
    'dht-enabled': false,
    'lpd-enabled': false,
    'utp-enabled': false,
    'port-forwarding-enabled': false,
    preallocation: 0,
    ...more,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(config, name), content);
  await writeFile(join(config, 'settings.json'), JSON.stringify(settings));
  const command = [...side.prefix, 'transmission-daemon', '--foreground', '--config-dir', config];
  const rpc = new Rpc(`http://${host}:${rpcPort}/transmission/rpc`);
  return { command, daemon: remoteControl(rpc, { host, port: peerPort }), peerPort };
}

function remoteControl(rpc: Rpc, address: PeerAddress): TransmissionDaemon {
  const stateOf = async (...fields: string[]) => (await rpc.call('torrent-get', { fields })).torrents ?? [];
  return {
    address,
    answers: () => until('transmission-daemon answers', () => rpc.isThere()),
    async add({ torrents, folder }, paused) {
      for (const file of torrents) {
        const what = file.startsWith('magnet:')
          ? { filename: file }
          : { metainfo: (await readFile(file)).toString('base64') };
        await rpc.call('torrent-add', { ...what, 'download-dir': folder, paused });
      }
    },
    async verify() {
      await rpc.call('torrent-verify', {});
      // 1 waits for its check, 2 is being checked.
      await until('transmission has checked', async () =>
        (await stateOf('status', 'leftUntilDone')).every(
          ({ status, leftUntilDone }) => status !== 1 && status !== 2 && leftUntilDone === 0,
        ),
      );
    },
    start: async () => void (await rpc.call('torrent-start-now', {})),
    // Of a link, nothing is left as long as its files are not known.
    isComplete: async () =>
      (await stateOf('leftUntilDone', 'metadataPercentComplete')).every(
        ({ leftUntilDone, metadataPercentComplete }) => leftUntilDone === 0 && metadataPercentComplete === 1,
      ),
  };
}

interface RpcArguments {
  readonly torrents?: readonly Readonly<Record<string, number>>[];
}

class Rpc {
  readonly #url: string;
  #session = '';

  constructor(url: string) {
    this.#url = url;
  }

  async isThere(): Promise<boolean> {
    return this.call('session-get', {}).then(
      () => true,
      () => false,
    );
  }

  async call(method: string, options: object): Promise<RpcArguments> {
    const body = JSON.stringify({ method, arguments: options });
    const headers = { 'X-Transmission-Session-Id': this.#session };
    const response = await fetch(this.#url, { method: 'POST', body, headers });
    if (response.status === 409) {
      await response.text();
      this.#session = response.headers.get('x-transmission-session-id') ?? '';
      return this.call(method, options);
    }
    const answer = (await response.json()) as { result: string; arguments: RpcArguments };
    if (answer.result !== 'success') throw new Error(`transmission ${method}: ${answer.result}`);
    return answer.arguments;
  }
}

export const transmission = transmissionWith('Transmission', {});

export function transmissionWith(name: string, settings: Settings): RealClient {
  return {
    name,
    needs: ['transmission-daemon', 'ip netns'],
    needsNamespaces: true,
    speaksUdp: true,
    omitsEmptyFiles: true,
    async seed(scope, side, job) {
      const { daemon } = await startTransmission(scope, side, settings);
      await daemon.add(job, true);
      await daemon.verify();
      await daemon.start();
    },
    async get(scope, side, job) {
      const { daemon } = await startTransmission(scope, side, settings);
      await daemon.add(job, false);
      await until('transmission is complete', () => daemon.isComplete());
    },
  };
}

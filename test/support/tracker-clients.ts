/** The smallest honest tracker clients, one a transport, so that one suite can be run over both. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { parseCompactPeers4, parseCompactPeers6 } from '../../engine/discovery/compact-peers.js';
import { type BencodeDict, decodeBencode } from '../../engine/metainfo/bencode.js';
import type { PeerAddress } from '../../engine/units.js';

interface TestAnnounce {
  readonly infoHash: Uint8Array;
  readonly peerId?: Uint8Array;
  readonly port: number;
  readonly left?: number;
  readonly event?: 'started' | 'completed' | 'stopped';
  readonly numWant?: number;
  readonly ip?: string;
}

interface TestAnswer {
  readonly interval: number;
  readonly seeds: number;
  readonly leechers: number;
  readonly peers: readonly PeerAddress[];
}

interface TestCounts {
  readonly seeds: number;
  readonly leechers: number;
  readonly downloads: number;
}

/** A refusal rejects with an Error whose message is the tracker's reason. */
export interface TrackerTransport {
  announce(announce: TestAnnounce): Promise<TestAnswer>;
  scrape(infoHashes: readonly Uint8Array[]): Promise<readonly TestCounts[]>;
  close(): void;
}

export const hashOf = (byte: number): Uint8Array => new Uint8Array(20).fill(byte);
const peerIdOf = (port: number): Uint8Array => Buffer.from(`-TT0001-${String(port).padStart(12, '0')}`);

export const escapeBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('hex').replace(/../g, '%$&');

export function announcePath(announce: TestAnnounce, extra = ''): string {
  const { infoHash, peerId = peerIdOf(announce.port), port, left = 1, event, numWant, ip } = announce;
  return (
    `/announce?info_hash=${escapeBytes(infoHash)}&peer_id=${escapeBytes(peerId)}&port=${port}` +
    `&uploaded=0&downloaded=0&left=${left}&key=0badcafe` +
    (event === undefined ? '' : `&event=${event}`) +
    (numWant === undefined ? '' : `&numwant=${numWant}`) +
    (ip === undefined ? '' : `&ip=${ip}`) +
    extra
  );
}

/** Fetches and decodes; a failure reason rejects. */
export async function httpGet(server: PeerAddress, path: string): Promise<BencodeDict> {
  const response = await fetch(`http://${urlHost(server.host)}:${server.port}${path}`);
  const body = decodeBencode(new Uint8Array(await response.arrayBuffer()));
  assert.ok(body instanceof Map);
  const failure = body.get('failure reason');
  if (failure !== undefined) throw new Error(text(failure));
  return body;
}

const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);
export const text = (value: unknown): string => {
  assert.ok(value instanceof Uint8Array);
  return Buffer.from(value).toString('latin1');
};
export const bytes = (value: unknown): Uint8Array => {
  assert.ok(value instanceof Uint8Array);
  return value;
};

export function httpTransport(server: PeerAddress): TrackerTransport {
  return {
    async announce(announce) {
      const answer = await httpGet(server, announcePath(announce, '&compact=1'));
      return {
        interval: Number(answer.get('interval')),
        seeds: Number(answer.get('complete')),
        leechers: Number(answer.get('incomplete')),
        peers: [
          ...parseCompactPeers4(bytes(answer.get('peers'))),
          ...parseCompactPeers6(bytes(answer.get('peers6') ?? new Uint8Array())),
        ],
      };
    },
    async scrape(infoHashes) {
      const query = infoHashes.map((hash) => `info_hash=${escapeBytes(hash)}`).join('&');
      const files = (await httpGet(server, `/scrape?${query}`)).get('files');
      return infoHashes.map((hash) => {
        assert.ok(files instanceof Map);
        const entry = files.get(Buffer.from(hash).toString('latin1'));
        assert.ok(entry instanceof Map);
        return {
          seeds: Number(entry.get('complete')),
          leechers: Number(entry.get('incomplete')),
          downloads: Number(entry.get('downloaded')),
        };
      });
    },
    close() {},
  };
}

/** One UDP socket and what it sends and gets, byte by byte. */
export class UdpProbe {
  readonly socket: Socket;
  readonly server: PeerAddress;

  private constructor(socket: Socket, server: PeerAddress) {
    this.socket = socket;
    this.server = server;
  }

  /** @param bindHost the address that the tracker will see */
  static async open(server: PeerAddress, bindHost = server.host): Promise<UdpProbe> {
    const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, bindHost);
    await once(socket, 'listening');
    return new UdpProbe(socket, server);
  }

  send(packet: Uint8Array): void {
    this.socket.send(packet, this.server.port, this.server.host);
  }

  async ask(packet: Uint8Array): Promise<Buffer> {
    const answer = once(this.socket, 'message', { signal: AbortSignal.timeout(5_000) });
    this.send(packet);
    return (await answer)[0] as Buffer;
  }

  /**
   * What `packet` is answered with, undefined when with nothing: a connect is sent after it, and the tracker answers
   * in order.
   */
  async answerTo(packet: Uint8Array): Promise<Buffer | undefined> {
    const received: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the tracker does not answer any more')), 5_000);
      const onMessage = (answer: Buffer) => {
        if (answer.length === 16 && answer.readUInt32BE(4) === FENCE_TRANSACTION) {
          clearTimeout(timer);
          this.socket.off('message', onMessage);
          resolve();
        } else received.push(answer);
      };
      this.socket.on('message', onMessage);
      this.send(packet);
      this.send(connectPacket(FENCE_TRANSACTION));
    });
    return received[0];
  }

  async connect(): Promise<Buffer> {
    const answer = await this.ask(connectPacket());
    assert.equal(answer.readUInt32BE(0), 0);
    return answer.subarray(8, 16);
  }

  close(): void {
    this.socket.close();
  }
}

const TRANSACTION = 0x51a2b3c4;
const FENCE_TRANSACTION = 0x0fe2ce00;
const EVENT_CODES = { none: 0, completed: 1, started: 2, stopped: 3 };

export function connectPacket(transaction = TRANSACTION): Buffer {
  const packet = Buffer.from('00000417271019800000000000000000', 'hex');
  packet.writeUInt32BE(transaction, 12);
  return packet;
}

export function udpHeader(connectionId: Uint8Array, action: number): Buffer {
  const header = Buffer.alloc(16);
  header.set(connectionId);
  header.writeUInt32BE(action, 8);
  header.writeUInt32BE(TRANSACTION, 12);
  return header;
}

export function announcePacket(connectionId: Uint8Array, announce: TestAnnounce): Buffer {
  const packet = Buffer.alloc(98);
  packet.set(udpHeader(connectionId, 1));
  packet.set(announce.infoHash, 16);
  packet.set(announce.peerId ?? peerIdOf(announce.port), 36);
  packet.writeBigUInt64BE(BigInt(announce.left ?? 1), 64);
  packet.writeUInt32BE(EVENT_CODES[announce.event ?? 'none'], 80);
  if (announce.ip !== undefined) packet.set(announce.ip.split('.').map(Number), 84);
  packet.writeInt32BE(announce.numWant ?? -1, 92);
  packet.writeUInt16BE(announce.port, 96);
  return packet;
}

export const scrapePacket = (connectionId: Uint8Array, infoHashes: readonly Uint8Array[]): Buffer =>
  Buffer.concat([udpHeader(connectionId, 2), ...infoHashes]);

export async function udpTransport(server: PeerAddress): Promise<TrackerTransport> {
  const probe = await UdpProbe.open(server);
  const ask = async (packet: Buffer): Promise<Buffer> => {
    const answer = await probe.ask(packet);
    assert.equal(answer.readUInt32BE(4), TRANSACTION);
    if (answer.readUInt32BE(0) === 3) throw new Error(answer.toString('latin1', 8));
    assert.equal(answer.readUInt32BE(0), packet.readUInt32BE(8));
    return answer;
  };
  return {
    async announce(announce) {
      const answer = await ask(announcePacket(await probe.connect(), announce));
      const parse = server.host.includes(':') ? parseCompactPeers6 : parseCompactPeers4;
      return {
        interval: answer.readUInt32BE(8),
        leechers: answer.readUInt32BE(12),
        seeds: answer.readUInt32BE(16),
        peers: parse(answer.subarray(20)),
      };
    },
    async scrape(infoHashes) {
      const answer = await ask(scrapePacket(await probe.connect(), infoHashes));
      assert.equal(answer.length, 8 + 12 * infoHashes.length);
      return infoHashes.map((_hash, at) => ({
        seeds: answer.readUInt32BE(8 + 12 * at),
        downloads: answer.readUInt32BE(12 + 12 * at),
        leechers: answer.readUInt32BE(16 + 12 * at),
      }));
    },
    close: () => probe.close(),
  };
}

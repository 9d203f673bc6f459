/** A gateway on loopback that speaks NAT-PMP, PCP or neither, and does as it is told. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import type { Scope } from '../../support/clients.js';

export interface GatewayRequest {
  readonly protocol: 'nat-pmp' | 'pcp';
  readonly kind: 'probe' | 'map' | 'unmap';
  readonly transport: 'tcp' | 'udp';
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeSeconds: number;
}

export class FakeGateway {
  readonly requests: GatewayRequest[] = [];
  speaks: readonly ('nat-pmp' | 'pcp')[] = ['nat-pmp', 'pcp'];
  /** Seconds since it started, by its own clock. */
  epochSeconds = () => 1_000;
  externalHost = '1.2.3.4';
  result = 0;
  /** Changes what it grants. */
  grant = (request: GatewayRequest) => ({
    externalPort: request.externalPort,
    lifetimeSeconds: request.lifetimeSeconds,
  });
  /** Takes the place of an answer; undefined says nothing. */
  answer: ((packet: Buffer) => Buffer | undefined) | undefined;
  readonly #socket: Socket;
  readonly #news = new EventEmitter();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (packet, from) => this.#take(packet, from));
  }

  static async start(scope: Scope): Promise<FakeGateway> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    scope.after(() => socket.close());
    return new FakeGateway(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Requests since `from` that are of a kind, at least `count` of them, however long they take. */
  async received(kind: GatewayRequest['kind'], count: number, from = 0): Promise<GatewayRequest[]> {
    for (;;) {
      const found = this.requests.slice(from).filter((request) => request.kind === kind);
      if (found.length >= count) return found;
      await once(this.#news, 'request');
    }
  }

  #take(packet: Buffer, { address, port }: RemoteInfo): void {
    const request = packet[0] === 0 ? readNatPmp(packet) : readPcp(packet);
    this.requests.push(request);
    const special = this.answer;
    const answer = special === undefined ? this.#answerTo(request, packet) : special(packet);
    if (answer !== undefined) this.#socket.send(answer, port, address);
    this.#news.emit('request');
  }

  #answerTo(request: GatewayRequest, packet: Buffer): Buffer | undefined {
    if (this.speaks.length === 0) return undefined;
    if (!this.speaks.includes(request.protocol)) return this.#otherVersion(request.protocol);
    return request.protocol === 'pcp' ? this.#pcp(request, packet) : this.#natPmp(request, packet);
  }

  #natPmp(request: GatewayRequest, packet: Buffer): Buffer {
    const answer = Buffer.alloc(request.kind === 'probe' ? 12 : 16);
    answer.writeUInt8(128 | (packet[1] ?? 0), 1);
    answer.writeUInt16BE(this.result, 2);
    answer.writeUInt32BE(this.epochSeconds(), 4);
    if (request.kind === 'probe') answer.set(this.externalHost.split('.').map(Number), 8);
    else {
      const { externalPort, lifetimeSeconds } = this.grant(request);
      answer.writeUInt16BE(request.internalPort, 8);
      answer.writeUInt16BE(externalPort, 10);
      answer.writeUInt32BE(lifetimeSeconds, 12);
    }
    return answer;
  }

  #pcp(request: GatewayRequest, packet: Buffer): Buffer {
    const answer = Buffer.from(packet);
    answer.writeUInt8(0x80 | (packet[1] ?? 0), 1);
    answer.writeUInt8(this.result, 3);
    answer.writeUInt32BE(this.epochSeconds(), 8);
    answer.fill(0, 12, 24);
    if (request.kind === 'probe') return answer;
    const { externalPort, lifetimeSeconds } = this.grant(request);
    answer.writeUInt32BE(lifetimeSeconds, 4);
    answer.writeUInt16BE(externalPort, 42);
    answer.set([0xff, 0xff, ...this.externalHost.split('.').map(Number)], 54);
    return answer;
  }

  #otherVersion(asked: 'nat-pmp' | 'pcp'): Buffer {
    return asked === 'pcp'
      ? Buffer.from([0, 128, 0, 1, 0, 0, 0, 1])
      : Buffer.from([2, 128, 0, 1, ...new Uint8Array(20)]);
  }
}

function readNatPmp(packet: Buffer): GatewayRequest {
  const opcode = packet[1];
  const base = { protocol: 'nat-pmp', transport: opcode === 1 ? 'udp' : 'tcp' } as const;
  if (opcode === 0) return { ...base, kind: 'probe', internalPort: 0, externalPort: 0, lifetimeSeconds: 0 };
  const lifetimeSeconds = packet.readUInt32BE(8);
  return {
    ...base,
    kind: lifetimeSeconds === 0 ? 'unmap' : 'map',
    internalPort: packet.readUInt16BE(4),
    externalPort: packet.readUInt16BE(6),
    lifetimeSeconds,
  };
}

function readPcp(packet: Buffer): GatewayRequest {
  const isMap = packet[1] === 1;
  const lifetimeSeconds = packet.readUInt32BE(4);
  return {
    protocol: 'pcp',
    kind: !isMap ? 'probe' : lifetimeSeconds === 0 ? 'unmap' : 'map',
    transport: packet[36] === 17 ? 'udp' : 'tcp',
    internalPort: isMap ? packet.readUInt16BE(40) : 0,
    externalPort: isMap ? packet.readUInt16BE(42) : 0,
    lifetimeSeconds,
  };
}

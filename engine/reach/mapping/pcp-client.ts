/** PCP client (RFC 6887): asks the gateway to forward ports. */
import type { Clock } from '../../ports.js';
import type { Transport } from '../../units.js';
import { Epoch } from './epoch.js';
import { mappingError } from './failure.js';
import { askGateway, type GatewayAddress } from './gateway-exchange.js';
import { assertGranted, outerHost } from './granted.js';
import type { GrantedMapping, MappingCheck, MappingClient, MappingWish } from './mapping-client.js';
import {
  formatAnnounce,
  formatMap,
  NONCE_BYTES,
  type PcpAnswer,
  parseAnnounce,
  parseMap,
  pcpResult,
  speaksOtherVersion,
} from './pcp-packets.js';

export class PcpClient implements MappingClient {
  readonly protocol = 'pcp';
  readonly gateway: string;
  readonly #address: GatewayAddress;
  readonly #clock: Clock;
  readonly #epoch = new Epoch();
  readonly #nonces: Readonly<Record<Transport, Uint8Array>>;

  /** @param secretBytes unpredictable to others: who knows a nonce can take the mapping away */
  constructor(address: GatewayAddress, clock: Clock, secretBytes: (length: number) => Uint8Array) {
    this.gateway = address.host;
    this.#address = address;
    this.#clock = clock;
    this.#nonces = { tcp: secretBytes(NONCE_BYTES), udp: secretBytes(NONCE_BYTES) };
  }

  /** PCP tells the outer address only with a mapping. */
  async probe(signal: AbortSignal): Promise<null> {
    await this.#announce(signal);
    return null;
  }

  async map(wish: MappingWish, signal: AbortSignal): Promise<GrantedMapping> {
    const request = {
      ...wish,
      localHost: this.#address.localHost,
      nonce: this.#nonces[wish.transport],
      lifetimeSeconds: wish.leaseSeconds,
    };
    const answer = await this.#ask(formatMap(request), (packet) => parseMap(packet, request), signal);
    const { externalPort, lifetimeSeconds, externalHost } = answer;
    return assertGranted(wish, {
      externalPort,
      leaseSeconds: lifetimeSeconds,
      externalHost: outerHost(externalHost),
    });
  }

  async unmap(mapping: MappingWish, signal: AbortSignal): Promise<void> {
    await this.map({ ...mapping, externalPort: 0, leaseSeconds: 0 }, signal);
  }

  async check(_mapping: MappingWish, signal: AbortSignal): Promise<MappingCheck> {
    return { kept: !(await this.#announce(signal)).restarted, externalHost: null };
  }

  close(): void {}

  #announce(signal: AbortSignal) {
    return this.#ask(formatAnnounce(this.#address.localHost), parseAnnounce, signal);
  }

  async #ask<T extends PcpAnswer>(
    request: Buffer,
    parse: (packet: Buffer) => T | undefined,
    signal: AbortSignal,
  ): Promise<T & { readonly restarted: boolean }> {
    const accept = (packet: Buffer) => {
      if (speaksOtherVersion(packet)) throw mappingError('no-answer', 'the router does not speak PCP');
      return parse(packet);
    };
    const answer = await askGateway(this.#address, request, accept, this.#clock, signal);
    const { result, epochSeconds } = answer;
    if (result !== 0) throw mappingError('refused', `the router refuses: ${pcpResult(result)}`, { result });
    return { ...answer, restarted: this.#epoch.restarted(epochSeconds, this.#clock.now()) };
  }
}

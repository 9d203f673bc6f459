/** NAT-PMP client (RFC 6886): asks the gateway to forward ports. */
import type { Clock } from '../../ports.js';
import { Epoch } from './epoch.js';
import { mappingError } from './failure.js';
import { askGateway, type GatewayAddress } from './gateway-exchange.js';
import { assertGranted, outerHost } from './granted.js';
import type { GrantedMapping, MappingCheck, MappingClient, MappingWish } from './mapping-client.js';
import {
  formatAddressRequest,
  formatMapRequest,
  natPmpResult,
  parseAddressAnswer,
  parseMapAnswer,
  speaksOtherVersion,
} from './nat-pmp-packets.js';

export class NatPmpClient implements MappingClient {
  readonly protocol = 'nat-pmp';
  readonly gateway: string;
  readonly #address: GatewayAddress;
  readonly #clock: Clock;
  readonly #epoch = new Epoch();

  constructor(address: GatewayAddress, clock: Clock) {
    this.gateway = address.host;
    this.#address = address;
    this.#clock = clock;
  }

  async probe(signal: AbortSignal): Promise<string | null> {
    const { externalHost } = await this.#ask(formatAddressRequest(), parseAddressAnswer, signal);
    return outerHost(externalHost);
  }

  async map(wish: MappingWish, signal: AbortSignal): Promise<GrantedMapping> {
    const request = { ...wish, lifetimeSeconds: wish.leaseSeconds };
    const answer = await this.#ask(
      formatMapRequest(request),
      (packet) => {
        const parsed = parseMapAnswer(packet, wish.transport);
        // A fault may come without ports.
        return parsed?.result !== 0 || parsed.internalPort === wish.internalPort ? parsed : undefined;
      },
      signal,
    );
    const { externalPort, lifetimeSeconds } = answer;
    return assertGranted(wish, { externalPort, leaseSeconds: lifetimeSeconds, externalHost: null });
  }

  async unmap(mapping: MappingWish, signal: AbortSignal): Promise<void> {
    await this.map({ ...mapping, externalPort: 0, leaseSeconds: 0 }, signal);
  }

  async check(_mapping: MappingWish, signal: AbortSignal): Promise<MappingCheck> {
    const { restarted, externalHost } = await this.#ask(formatAddressRequest(), parseAddressAnswer, signal);
    return { kept: !restarted, externalHost: outerHost(externalHost) };
  }

  close(): void {}

  async #ask<T extends { readonly result: number; readonly epochSeconds: number }>(
    request: Buffer,
    parse: (packet: Buffer) => T | undefined,
    signal: AbortSignal,
  ): Promise<T & { readonly restarted: boolean }> {
    const accept = (packet: Buffer) => {
      if (speaksOtherVersion(packet)) throw mappingError('no-answer', 'the router does not speak NAT-PMP');
      return parse(packet);
    };
    const answer = await askGateway(this.#address, request, accept, this.#clock, signal);
    const { result, epochSeconds } = answer;
    if (result !== 0)
      throw mappingError('refused', `the router refuses: ${natPmpResult(result)}`, { result });
    return { ...answer, restarted: this.#epoch.restarted(epochSeconds, this.#clock.now()) };
  }
}

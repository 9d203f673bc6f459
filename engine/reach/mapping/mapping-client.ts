/** Mapping client: what each protocol for asking a router to forward a port must be able to do. */
import type { MappingProtocol, Transport } from '../../units.js';

export interface MappingWish {
  readonly transport: Transport;
  readonly internalPort: number;
  /** The one we would like; the router may give another. */
  readonly externalPort: number;
  /** 0: forget the mapping. */
  readonly leaseSeconds: number;
}

export interface GrantedMapping {
  readonly externalPort: number;
  /** 0: for ever, or until the router restarts. */
  readonly leaseSeconds: number;
  /** The router's address on the other side, where the answer tells it. */
  readonly externalHost: string | null;
}

export interface MappingCheck {
  readonly kept: boolean;
  /** The router's address on the other side, where the answer tells it. */
  readonly externalHost: string | null;
}

/** One router, one protocol. Every promise settles within seconds, and at once when the signal aborts. */
export interface MappingClient {
  readonly protocol: MappingProtocol;
  /** The router's address on our network; known once `probe` resolved. */
  readonly gateway: string | null;
  /**
   * Asks, without changing anything, whether the router speaks the protocol.
   * @returns its address on the other side, where it tells one that can be true
   * @throws SwarmError ADDRESS_NOT_MAPPED
   */
  probe(signal: AbortSignal): Promise<string | null>;
  /** Makes or renews a mapping. @throws SwarmError ADDRESS_NOT_MAPPED */
  map(wish: MappingWish, signal: AbortSignal): Promise<GrantedMapping>;
  /** @throws SwarmError ADDRESS_NOT_MAPPED */
  unmap(mapping: MappingWish, signal: AbortSignal): Promise<void>;
  /** Whether the router still has what it granted: not after it restarted. @throws SwarmError ADDRESS_NOT_MAPPED */
  check(mapping: MappingWish, signal: AbortSignal): Promise<MappingCheck>;
  /** Idempotent. */
  close(): void;
}

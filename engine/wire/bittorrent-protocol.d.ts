/** What we use of bittorrent-protocol 5.0.9, as its source has it; @types/bittorrent-protocol describes version 3. */
declare module 'bittorrent-protocol' {
  export interface ReservedBits {
    readonly dht: boolean;
    readonly fast: boolean;
    readonly extended: boolean;
  }

  export default class Wire {
    constructor(type: string, encryption: 0 | 1 | 2);

    peerIdBuffer: Uint8Array | null;
    peerExtensions: Partial<ReservedBits>;
    /** Both ends announced BEP 6. */
    hasFast: boolean;
    /** Ids that we announce for BEP 10 extensions, to their names. */
    extendedMapping: Record<number, string>;
    /** Names of BEP 10 extensions to the ids that the peer announced. */
    peerExtendedMapping: Record<string, number>;
    /** Our BEP 10 handshake without `m`. */
    extendedHandshake: Record<string, unknown>;

    handshake(infoHash: string, peerId: Uint8Array, extensions: { dht?: boolean; fast?: boolean }): void;
    choke(): void;
    unchoke(): void;
    interested(): void;
    uninterested(): void;
    bitfield(bits: Uint8Array): void;
    haveAll(): void;
    haveNone(): void;
    keepAlive(): void;
    port(dhtPort: number): void;
    extended(id: number | string, payload: Uint8Array): void;
    end(): void;
    destroy(): void;

    on(event: 'choke' | 'unchoke' | 'interested' | 'uninterested', listener: () => void): this;
    on(event: 'have-all' | 'have-none', listener: () => void): this;
    on(event: 'have' | 'suggest' | 'allowed-fast' | 'port', listener: (value: number) => void): this;
    emit(event: string, ...values: unknown[]): boolean;

    _sendExtendedHandshake(): void;
    _write(bytes: Uint8Array, done: () => void): void;
    _push(bytes: Uint8Array): void;
    _debug(...values: unknown[]): void;
    _onHave(piece: number): void;
    _onBitField(bits: Uint8Array): void;
    _onExtended(id: number, payload: Uint8Array): void;
  }
}

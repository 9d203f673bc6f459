/** The part of bittorrent-dht 11 that the tests use. */
declare module 'bittorrent-dht' {
  interface PackagePeer {
    readonly host: string;
    readonly port: number;
  }
  export default class DHT {
    constructor(options: { readonly bootstrap: readonly string[] | false; readonly host?: string });
    listen(port: number, host: string, done: () => void): void;
    address(): { readonly port: number };
    once(event: 'ready', run: () => void): void;
    on(event: 'peer', run: (peer: PackagePeer, infoHash: Buffer) => void): void;
    off(event: 'peer', run: (peer: PackagePeer, infoHash: Buffer) => void): void;
    on(event: 'error', run: (error: Error) => void): void;
    announce(infoHash: Buffer, port: number, done: (error: Error | null) => void): void;
    lookup(infoHash: Buffer, done: (error: Error | null) => void): void;
    destroy(done: () => void): void;
  }
}

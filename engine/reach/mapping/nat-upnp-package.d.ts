/** Own declarations for `nat-upnp` 1.1.1, which ships none: only what upnp-search.ts and upnp-client.ts use. */
declare module 'nat-upnp' {
  import type { Socket } from 'node:dgram';
  import type { EventEmitter } from 'node:events';

  export type Callback<T> = (error: Error | null, value?: T) => void;

  export interface Service {
    readonly service: string;
    readonly SCPDURL: string;
    readonly controlURL: string;
  }

  export interface Device {
    getService(types: readonly string[], callback: Callback<Service>): void;
    run(
      action: string,
      args: readonly (readonly [string, unknown])[],
      callback: Callback<Record<string, unknown>>,
    ): void;
  }

  export interface Ssdp {
    sockets: Socket[];
    /** Emits `device` with the headers of an answer and our address that it came to; stops when told `end`. */
    search(target: string): EventEmitter;
    parseResponse(response: string, localHost: string, remote: { readonly address: string }): void;
    close(): void;
  }

  export interface Client {
    readonly ssdp: Ssdp;
    findGateway(callback: (error: Error | null, device?: Device, localHost?: string) => void): void;
    portMapping(
      options: {
        readonly public: number;
        readonly private: { readonly host: string; readonly port: number };
        readonly protocol: string;
        readonly ttl: number;
        readonly description: string;
      },
      callback: Callback<unknown>,
    ): void;
    portUnmapping(
      options: { readonly public: number; readonly protocol: string },
      callback: Callback<unknown>,
    ): void;
    externalIp(callback: Callback<unknown>): void;
    close(): void;
  }

  export interface NatUpnp {
    createClient(): Client;
    readonly device: { create(url: string): Device };
  }

  const natUpnp: NatUpnp;
  export default natUpnp;
}

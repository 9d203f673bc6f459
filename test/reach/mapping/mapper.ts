/** Port mappers for tests: on loopback, with a clock that moves when told and a network that can be changed. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { PortMapper, type PortMapperOptions } from '../../../engine/reach/mapping/port-mapper.js';
import type { Route } from '../../../engine/reach/mapping/route.js';
import type { SearchRouters } from '../../../engine/reach/mapping/upnp-search.js';
import type { PortMappingSnapshot } from '../../../engine/snapshot.js';
import { systemClock } from '../../../engine/system.js';
import type { Scope } from '../../support/clients.js';

export const LOOPBACK: Route = { gateway: '127.0.0.1', localHost: '127.0.0.1' };

/** No router answers to a search. */
const noRouters: SearchRouters = async () => {
  throw new Error('no router answers');
};

/** A port on loopback that nobody listens on. */
export async function deafPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Everything it told, and a way to wait for more. */
export class Watched {
  readonly mapper: PortMapper;
  readonly told: PortMappingSnapshot[] = [];
  #wake: () => void = () => {};

  constructor(scope: Scope, options: Partial<PortMapperOptions>) {
    this.mapper = new PortMapper({
      clock: systemClock,
      rng: () => 0.5,
      secretBytes: (length) => new Uint8Array(length).fill(7),
      findRoute: async () => LOOPBACK,
      searchRouters: noRouters,
      listenToGateway: () => () => {},
      ...options,
    });
    this.mapper.onChange = () => {
      this.told.push(this.mapper.snapshot());
      this.#wake();
    };
    scope.after(() => this.mapper.close());
  }

  /** The first snapshot from now on, the present one included, that is as wanted. */
  async until(wanted: (snapshot: PortMappingSnapshot) => boolean): Promise<PortMappingSnapshot> {
    while (!wanted(this.mapper.snapshot()))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.mapper.snapshot();
  }

  settled(): Promise<PortMappingSnapshot> {
    return this.until(({ state }) => state === 'mapped' || state === 'failed');
  }
}

/** Resolve from: names to addresses as an engine with the same options would, for who needs them before there is one. */
import { egressOf } from './egress.js';
import type { EngineOptions } from './options.js';

/** @throws SwarmError TRACKER_UNREACHABLE when it has no address, ADDRESS_UNAVAILABLE, or the signal's reason */
export async function resolveFrom(
  host: string,
  signal: AbortSignal,
  from: Pick<EngineOptions, 'bind' | 'dnsServers' | 'proxy'>,
): Promise<readonly string[]> {
  const { local, resolve } = await egressOf(from);
  try {
    return await resolve(host, signal);
  } finally {
    local?.close();
  }
}

/** System: the real clock, randomness and machine behind the ports; nothing else in the engine asks for them. */
import { randomBytes, randomInt } from 'node:crypto';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Machine } from './options.js';
import type { Clock, Rng } from './ports.js';
import { asMillis } from './units.js';

/** Longest delay that Node's timers take. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => asMillis(performance.now()),
  schedule(at, run) {
    const delayMs = Math.min(Math.max(0, at - performance.now()), MAX_DELAY_MS);
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

export const systemRng: Rng = () => Math.random();

/** Unpredictable to peers: for ids, keys and secrets. */
export const secretBytes = (length: number): Uint8Array => randomBytes(length);
export const secretInt = (below: number): number => randomInt(below);

export function thisMachine(): Machine {
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  return {
    cores: availableParallelism(),
    stateDir: process.env.SWARM_STATE_DIR ?? join(state, 'swarm'),
    discovery: process.env.SWARM_DISCOVERY !== 'off',
  };
}

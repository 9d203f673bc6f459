/** Mapping failures: one coded error for everything that keeps a router from forwarding a port. */
import { SwarmError } from '../../errors.js';
import type { MappingFailure } from '../../units.js';

/** From the least to the most telling: of several, the user hears the last. */
const TELLING: readonly MappingFailure[] = ['no-gateway', 'no-answer', 'bad-answer', 'refused'];

/** `details` may hold `result`, the router's own number for the fault. */
export function mappingError(
  failure: MappingFailure,
  message: string,
  details: { readonly result?: number } = {},
): SwarmError {
  return new SwarmError('ADDRESS_NOT_MAPPED', message, { failure, ...details });
}

/** What a thrown thing says of the router; a fault of the network below is silence. */
export function failureOf(thrown: unknown): { failure: MappingFailure; message: string; result?: number } {
  if (!(thrown instanceof SwarmError) || thrown.code !== 'ADDRESS_NOT_MAPPED')
    return { failure: 'no-answer', message: thrown instanceof Error ? thrown.message : String(thrown) };
  const { failure, result } = thrown.details;
  return {
    failure: TELLING.find((known) => known === failure) ?? 'no-answer',
    message: thrown.message,
    ...(typeof result === 'number' ? { result } : {}),
  };
}

/** The failure that tells the user most; the first of equals. */
export function mostTelling(thrown: readonly unknown[]): { failure: MappingFailure; message: string } {
  const failures = thrown.map(failureOf);
  const rank = Math.max(...failures.map(({ failure }) => TELLING.indexOf(failure)));
  return (
    failures.find(({ failure }) => TELLING.indexOf(failure) === rank) ?? {
      failure: 'no-gateway',
      message: 'there is no router to ask',
    }
  );
}

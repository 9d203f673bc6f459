/** Exit codes: what a script learns of how a command ended. Once published, a number keeps its meaning. */
import type { ErrorCode, ErrorDetails } from '../engine/index.js';

export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  badInput: 3,
  noPeers: 4,
  storage: 5,
  verification: 6,
  address: 7,
  /** By a signal; the same command goes on where it stopped. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The part of a code before its first `_`; a code without one is its own group. */
type GroupOf<Code> = Code extends `${infer Group}_${string}` ? Group : Code;

const EXIT_BY_GROUP: Readonly<Record<GroupOf<ErrorCode>, ExitCode>> = {
  USAGE: EXIT.usage,
  TORRENT: EXIT.badInput,
  INPUT: EXIT.badInput,
  PEERS: EXIT.noPeers,
  TRACKER: EXIT.noPeers,
  STORAGE: EXIT.storage,
  VERIFY: EXIT.verification,
  ADDRESS: EXIT.address,
  CLOSED: EXIT.unexpected,
  INTERNAL: EXIT.unexpected,
};

/** Shape of every error that was thrown on purpose, whichever part of the program threw it. */
export interface CodedError extends Error {
  readonly code: ErrorCode;
  readonly hint?: string | undefined;
  readonly details?: ErrorDetails;
}

export const isCodedError = (thrown: unknown): thrown is CodedError =>
  thrown instanceof Error && 'code' in thrown && groupOf(thrown.code) !== undefined;

export function exitCodeOf(code: ErrorCode): ExitCode {
  const group = groupOf(code);
  return group === undefined ? EXIT.unexpected : EXIT_BY_GROUP[group];
}

/** Undefined for what is no code of ours, such as the codes of Node's own errors. */
function groupOf(code: unknown): keyof typeof EXIT_BY_GROUP | undefined {
  const [group = ''] = String(code).split('_', 1);
  return Object.hasOwn(EXIT_BY_GROUP, group) ? (group as keyof typeof EXIT_BY_GROUP) : undefined;
}

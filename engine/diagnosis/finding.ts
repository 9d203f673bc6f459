/** Finding: what one check of a diagnosis found, in words and for programs. */
import type { ErrorCode } from '../errors.js';

export type Verdict = 'good' | 'warning' | 'bad' | 'skipped';

export type CheckName =
  | 'binding'
  | 'proxy'
  | 'addresses'
  | 'ipv4'
  | 'ipv6'
  | 'listening'
  | 'mapping'
  | 'reachability'
  | 'tracker'
  | 'dht'
  | 'clock'
  | 'state folder'
  | 'download folder'
  | 'open files';

export interface Finding {
  readonly check: CheckName;
  /** `warning`: it works, but worse than it could. `bad`: something will not work. */
  readonly verdict: Verdict;
  /** One sentence. Untrusted: may quote a tracker. */
  readonly text: string;
  /** The one thing to do, as a sentence; null where there is nothing to do. */
  readonly advice: string | null;
  /** What is behind the sentence, for programs. */
  readonly details: Readonly<Record<string, unknown>>;
  /** What a program that is stopped by it would fail with; null unless bad. */
  readonly code: ErrorCode | null;
}

type Rest = { readonly advice?: string; readonly details?: Finding['details'] };

export const good = (check: CheckName, text: string, details: Finding['details'] = {}): Finding => ({
  ...{ check, verdict: 'good', text, details },
  advice: null,
  code: null,
});

export const warning = (check: CheckName, text: string, { advice, details }: Rest = {}): Finding => ({
  ...{ check, verdict: 'warning', text },
  advice: advice ?? null,
  details: details ?? {},
  code: null,
});

export const bad = (
  check: CheckName,
  code: ErrorCode,
  text: string,
  { advice, details }: Rest = {},
): Finding => ({
  ...{ check, verdict: 'bad', text, code },
  advice: advice ?? null,
  details: details ?? {},
});

export const skipped = (
  check: CheckName,
  text: string,
  advice: string,
  details: Finding['details'] = {},
): Finding => ({
  ...{ check, verdict: 'skipped', text, advice, details },
  code: null,
});

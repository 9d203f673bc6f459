/** Command line: what `npm run sim` is asked for, and what it says of itself. */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Behaviour, POLICIES } from './behaviour.js';
import type { Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios/index.js';

export interface Order {
  readonly scenarios: readonly Scenario[];
  readonly policies: readonly Behaviour[];
  /** The first of them. */
  readonly seed: number;
  readonly seeds: number;
  /** Undefined: as many as the scenario has. */
  readonly peers: number | undefined;
  /** The file that gets all figures; undefined: `defaultFile`. */
  readonly json: string | undefined;
}

const HELP_COLUMNS = 80;
/** Where the files go that nobody named. */
const FOLDER = 'sim-results';
/** A name takes 255 bytes on most file systems, with what comes behind it. */
const MAX_NAME = 120;

export const HELP = `npm run sim -- SCENARIO… [options]

Simulates whole swarms, prints a table, and writes all figures as JSON.

${listed([
  ['--seed N', 'the first seed of chance (default 1)'],
  ['--seeds K', 'how many seeds, from the first on (default 1)'],
  ['--peers N', "leechers, instead of the scenario's own number"],
  [
    '--policy NAME',
    `what the honest peers do, ${POLICIES[0]!.name} by default; given several times, all are compared: ${POLICIES.map(({ name }) => name).join(', ')}`,
  ],
  [
    '--json FILE',
    `gets all figures of every run, after each; by default a file in ${FOLDER}/ that is named after the runs`,
  ],
])}

The exit code is 1 when a run failed or the file could not be written, and 2
when something was not understood.

Scenarios:
${listed(SCENARIOS.map(({ name, about }) => [name, about]))}`;

/** @returns undefined when help is wanted; throws an Error that says what was not understood */
export function parseOrder(args: readonly string[]): Order | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      peers: { type: 'string' },
      policy: { type: 'string', multiple: true, default: [POLICIES[0]!.name] },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || positionals.length === 0) return undefined;
  if (values.json === '') throw new Error('--json takes a file');
  return {
    // Named twice, a run would count as two seeds.
    scenarios: [...new Set(positionals.map((name) => named(SCENARIOS, name, 'scenario')))],
    policies: [...new Set(values.policy.map((name) => named(POLICIES, name, 'policy')))],
    seed: whole('--seed', values.seed),
    seeds: whole('--seeds', values.seeds),
    peers: values.peers === undefined ? undefined : whole('--peers', values.peers),
    json: values.json,
  };
}

/** Says which runs are in it, so that others do not take its place. */
export function defaultFile({ scenarios, policies, seed, seeds, peers }: Order): string {
  const policyNames = policies.map(({ name }) => name);
  const name = [
    ...scenarios.map((scenario) => scenario.name),
    ...(policyNames.join() === POLICIES[0]!.name ? [] : policyNames),
    ...(peers === undefined ? [] : [`${peers}-peers`]),
    seeds === 1 ? `seed-${seed}` : `seeds-${seed}-to-${seed + seeds - 1}`,
  ].join('-');
  return `${FOLDER}/${name.length <= MAX_NAME ? name : shortened(name)}.json`;
}

function shortened(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${name.slice(0, MAX_NAME)}-${digest}`;
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string, what: string): T {
  const found = all.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) throw new Error(`there is no ${what} "${name}"`);
  return found;
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new Error(`${option} takes a whole number from 1 on, not "${text}"`);
  return value;
}

/** Names, and beside them what they are, broken at spaces. */
function listed(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows
    .flatMap(([name, text]) =>
      brokenLines(text, HELP_COLUMNS - width - 4).map(
        (line, i) => `  ${(i === 0 ? name : '').padEnd(width)}  ${line}`,
      ),
    )
    .join('\n');
}

function brokenLines(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * Command: what a command takes, declared once. Parsing, defaults of the types and the help text all come from the
 * declaration.
 */
import { parseArgs } from 'node:util';
import { closest } from './closest.js';
import type { ExitCode } from './exit-codes.js';
import type { Output } from './output.js';

/** A mistake on the command line; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'USAGE_INVALID_OPTION';

  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

interface OptionBase {
  readonly help: string;
  /** One letter. */
  readonly short?: string;
}

export interface Flag extends OptionBase {
  readonly kind: 'flag';
}

/** An option with a value. `parse` throws an Error that says what it expected. */
export interface ValueOption<T> extends OptionBase {
  readonly kind: 'value' | 'list';
  /** What stands for the value in the help: `SIZE`. */
  readonly placeholder: string;
  readonly parse: (text: string) => T;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where the type of a value does not matter
type Option = Flag | ValueOption<any>;
export type Options = Readonly<Record<string, Option>>;

type ValueOf<O> = O extends Flag
  ? boolean
  : O extends { kind: 'list'; parse: (text: string) => infer T }
    ? readonly T[]
    : O extends { parse: (text: string) => infer T }
      ? T | undefined
      : never;

export const flag = (help: string, short?: string): Flag => ({
  kind: 'flag',
  help,
  ...(short === undefined ? {} : { short }),
});

export const value = <T>(placeholder: string, help: string, parse: (text: string) => T, short?: string) =>
  ({ kind: 'value', placeholder, help, parse, ...(short === undefined ? {} : { short }) }) as const;

/** May be given several times. */
export const list = <T>(placeholder: string, help: string, parse: (text: string) => T) =>
  ({ kind: 'list', placeholder, help, parse }) as const;

export const text = (given: string): string => given;

export interface Arguments<O extends Options> {
  readonly positionals: readonly string[];
  readonly options: { readonly [Name in keyof O]: ValueOf<O[Name]> };
}

export interface Command<O extends Options = Options> {
  readonly name: string;
  /** One to three sentences. */
  readonly about: string;
  /** Placeholder of the positional arguments and how many there may be. */
  readonly positionals: { readonly placeholder: string; readonly min: number; readonly max: number };
  readonly options: O;
  /** Command lines without `swarm`, each with what it does. */
  readonly examples: readonly (readonly [commandLine: string, does: string])[];
  run(args: Arguments<O>, output: Output): Promise<ExitCode>;
}

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: flag('one JSON object a line on stdout'),
  quiet: flag('say nothing but errors', 'q'),
  help: flag('show this help', 'h'),
} as const;

/** Fixes the types of a command's options, for its `run`. */
export const defineCommand = <const O extends Options>(command: Command<O>): Command =>
  command as unknown as Command;

/** @throws UsageError naming the argument that is wrong */
export function parseArguments(command: Command, argv: readonly string[]): Arguments<Options> {
  const specs: Options = { ...command.options, ...COMMON_OPTIONS };
  const options: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs))
    options[name] = spec.kind === 'flag' ? false : spec.kind === 'list' ? [] : undefined;
  const positionals: string[] = [];
  for (const token of tokenize(specs, argv)) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) throw unknownOption(command, specs, token.rawName);
    const parsed = parseOption(spec, token.rawName, token.value, token.inlineValue === true);
    const before = options[token.name];
    options[token.name] = spec.kind === 'list' && Array.isArray(before) ? [...before, parsed] : parsed;
  }
  if (options.help !== true) checkCount(command, positionals);
  return { positionals, options: options as Arguments<Options>['options'] };
}

function tokenize(specs: Options, argv: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { kind, short }]) => [
      name,
      {
        type: kind === 'flag' ? ('boolean' as const) : ('string' as const),
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function parseOption(spec: Option, rawName: string, given: string | undefined, inline: boolean): unknown {
  if (spec.kind === 'flag') {
    if (given !== undefined) throw new UsageError(`${rawName} takes no value, got "${given}"`);
    return true;
  }
  if (given === undefined) throw new UsageError(`${rawName} needs a value: ${rawName} ${spec.placeholder}`);
  if (given === '') throw new UsageError(`${rawName} needs a value, got an empty one`);
  if (given.length > 1 && given.startsWith('-') && !inline)
    throw new UsageError(
      `${rawName} needs a value, got the option "${given}"`,
      `For a value that begins with a dash write ${rawName}=VALUE.`,
    );
  try {
    return spec.parse(given);
  } catch (error) {
    throw new UsageError(`${rawName}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function unknownOption(command: Command, specs: Options, rawName: string): UsageError {
  const guess = rawName.startsWith('--') ? closest(rawName.slice(2), Object.keys(specs)) : undefined;
  return new UsageError(
    `swarm ${command.name} has no option ${rawName}`,
    guess === undefined ? `See swarm ${command.name} --help.` : `Did you mean --${guess}?`,
  );
}

function checkCount(
  { name, positionals: { placeholder, min, max } }: Command,
  given: readonly string[],
): void {
  const hint = `See swarm ${name} --help.`;
  if (given.length < min) throw new UsageError(`swarm ${name} needs ${placeholder}`, hint);
  if (given.length > max) throw new UsageError(`unexpected argument "${given[max]}"`, hint);
  // An unset variable of a script; as a path it would be the current folder.
  if (given.includes('')) throw new UsageError(`${placeholder} is empty`, hint);
}

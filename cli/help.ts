/** Help texts, drawn from the declarations of the commands. */
import { COMMON_OPTIONS, type Command, type Options } from './command.js';
import { wrap } from './wrap.js';

const INDENT = '  ';
const GAP = 3;
const MAX_COLUMNS = 80;

const EXIT_CODES = [
  ['0', 'done'],
  ['1', 'unexpected: a fault of swarm'],
  ['2', 'usage: the command line is wrong'],
  ['3', 'bad torrent, magnet link or input file'],
  ['4', 'nothing to download from before --timeout'],
  ['5', 'storage: no space, no permission, missing disk'],
  ['6', 'verification failed'],
  ['7', 'address or port not available'],
  ['130', 'interrupted; the same command goes on'],
] as const;

export function commandHelp(command: Command): string {
  const { name, about, positionals, options, examples } = command;
  const specs: Options = { ...options, ...COMMON_OPTIONS };
  const rows = Object.entries(specs).map(([option, spec]): [string, string] => {
    const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
    const value = spec.kind === 'flag' ? '' : ` ${spec.placeholder}`;
    return [
      `${short}--${option}${value}`,
      spec.kind === 'list' ? `${spec.help}; may be repeated` : spec.help,
    ];
  });
  const argument =
    positionals.max === 0 ? '' : ` ${positionals.placeholder}${positionals.max > 1 ? '…' : ''}`;
  return [
    `Usage: swarm ${name}${argument} [options]`,
    wrap(about, MAX_COLUMNS).join('\n'),
    `Options:\n${columns(rows)}`,
    `Examples:\n${examples.map(([line, does]) => `${INDENT}swarm ${line}\n${INDENT}${INDENT}${does}`).join('\n')}`,
  ].join('\n\n');
}

export function mainHelp(summaries: readonly (readonly [name: string, summary: string])[]): string {
  return [
    'Usage: swarm COMMAND [options]',
    `Commands:\n${columns(summaries)}`,
    'swarm COMMAND --help shows its options, with examples; swarm --version the version.',
    `Exit codes:\n${columns(EXIT_CODES)}`,
  ].join('\n\n');
}

export function columns(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + GAP;
  return rows.map(([left, right]) => `${INDENT}${left.padEnd(width)}${right}`.trimEnd()).join('\n');
}

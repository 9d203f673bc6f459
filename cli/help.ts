/** Help texts, drawn from the declarations of the commands. */
import { COMMON_OPTIONS, type Command, type Options } from './command.js';
import { wrap } from './wrap.js';

const INDENT = '  ';
const GAP = 3;
const MAX_COLUMNS = 80;
const MAX_LEFT = 28;

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
    `Options:\n${wrappedColumns(rows)}`,
    `Examples:\n${examples.map(([line, does]) => `${INDENT}swarm ${line}\n${INDENT}${INDENT}${does}`).join('\n')}`,
  ].join('\n\n');
}

export function mainHelp(summaries: readonly (readonly [name: string, summary: string])[]): string {
  return [
    'Usage: swarm COMMAND [options]',
    `Commands:\n${wrappedColumns(summaries)}`,
    'swarm COMMAND --help shows its options, swarm --version the version.',
    `Exit codes:\n${wrappedColumns(EXIT_CODES)}`,
  ].join('\n\n');
}

export function columns(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + GAP;
  return rows.map(([left, right]) => `${INDENT}${left.padEnd(width)}${right}`.trimEnd()).join('\n');
}

/** As `columns`, in 80 cells: what is longer goes on in its column, and begins below a left side that is long. */
function wrappedColumns(rows: readonly (readonly [left: string, right: string])[]): string {
  const lengths = rows.map(([left]) => left.length).filter((length) => length <= MAX_LEFT);
  const width = INDENT.length + Math.max(...lengths) + GAP;
  const lines = rows.flatMap(([left, right]) => {
    const wrapped = wrap(right, MAX_COLUMNS - width).map((line) => ' '.repeat(width) + line);
    const head = INDENT + left;
    if (left.length > MAX_LEFT) return [head, ...wrapped];
    const [first = '', ...rest] = wrapped;
    return [head + first.slice(head.length), ...rest];
  });
  return lines.join('\n');
}

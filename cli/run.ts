/** Run: picks the command, parses its arguments, and turns however it ends into an exit code. */
import { printable, VERSION } from '../engine/text.js';
import { closest } from './closest.js';
import { type Command, parseArguments, UsageError } from './command.js';
import { EXIT, type ExitCode, exitCodeOf, isCodedError } from './exit-codes.js';
import { commandHelp, mainHelp } from './help.js';
import { Interrupted } from './interrupts.js';
import { Output, type Terminal } from './output.js';

interface CommandEntry {
  readonly summary: string;
  /** A command is loaded when it is run: none waits for what another needs. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  get: { summary: 'download, verify, and exit or go on seeding', load: () => import('./get.js') },
  seed: { summary: 'make the torrent of a file or folder and serve it', load: () => import('./seed.js') },
  create: { summary: 'make a torrent of a file or folder', load: () => import('./create.js') },
  info: { summary: 'show what is in a torrent file or magnet link', load: () => import('./info.js') },
  verify: { summary: 'compare files on disk with their torrent', load: () => import('./verify.js') },
  tracker: { summary: 'run a tracker of your own', load: () => import('./tracker.js') },
  doctor: { summary: 'check this machine and its network', load: () => import('./doctor.js') },
  demo: { summary: 'a whole swarm on this machine, to look at', load: () => import('./demo.js') },
};

/** What the system's own names for faults mean. */
const ERRNO_HINT: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file or folder.',
  ENOTDIR: 'A part of the path is a file, not a folder.',
  EACCES: 'You may not read it: look at its permissions and those of its folders.',
  ELOOP: 'Its links lead in a circle.',
  ENAMETOOLONG: 'The name is too long.',
};

/** Characters of an error that are shown: it may quote a file or a peer. */
const MAX_MESSAGE_CELLS = 2_000;

/** @param argv the arguments after `swarm`. Never rejects. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const output = new Output(terminal, { json: has(argv, '--json'), quiet: has(argv, '--quiet', '-q') });
  try {
    return await dispatch(argv, output);
  } catch (error) {
    return await fail(error, output, terminal);
  }
}

/** Beside the commands. */
const MAIN_OPTIONS = ['help', 'version'];

async function dispatch(argv: readonly string[], output: Output): Promise<ExitCode> {
  const [name, ...rest] = argv;
  switch (name) {
    case undefined:
      output.complain(generalHelp());
      return EXIT.usage;
    case '--help':
    case '-h':
      output.result(generalHelp());
      return EXIT.done;
    case '--version':
    case '-V':
      output.result(`swarm ${VERSION}`);
      return EXIT.done;
    case 'help':
      return rest[0] === undefined ? dispatch(['--help'], output) : dispatch([rest[0], '--help'], output);
    default:
      return runCommand(name, rest, output);
  }
}

async function runCommand(name: string, argv: readonly string[], output: Output): Promise<ExitCode> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw unknownCommand(name);
  const { command } = await entry.load();
  const args = parseArguments(command, argv);
  if (args.options.help === true) {
    output.result(commandHelp(command));
    return EXIT.done;
  }
  await assertHere();
  return command.run(args, output);
}

/** @throws SwarmError when the folder we were started in is gone: every path would fail at it, each in its own words */
async function assertHere(): Promise<void> {
  try {
    process.cwd();
  } catch (cause) {
    const { SwarmError } = await import('../engine/torrent-files.js');
    const hint = 'Change to a folder that is there.';
    throw new SwarmError('STORAGE_MISSING', 'the current folder has been deleted', {}, { hint, cause });
  }
}

function unknownCommand(name: string): UsageError {
  if (name.startsWith('-')) {
    const option = name === '-v' ? 'version' : closest(name.replace(/^-+/, ''), MAIN_OPTIONS);
    const hint =
      option === undefined
        ? 'Options follow the command: see swarm --help.'
        : `Did you mean swarm --${option}?`;
    return new UsageError(`swarm has no option ${name}`, hint);
  }
  const command = /\.torrent$/i.test(name) ? `get ${name}` : closest(name, Object.keys(COMMANDS));
  return new UsageError(
    name === '' ? 'the command is empty' : `swarm has no command "${name}"`,
    command === undefined ? 'See swarm --help.' : `Did you mean swarm ${command}?`,
  );
}

const generalHelp = (): string =>
  mainHelp(Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]));

async function fail(error: unknown, output: Output, { env }: Terminal): Promise<ExitCode> {
  if (error instanceof Interrupted) {
    output.event({ type: 'interrupted', message: error.message });
    output.complain(error.message);
    return EXIT.interrupted;
  }
  const thrown = error instanceof Error ? error : new Error(String(error));
  const code = isCodedError(thrown) ? thrown.code : 'INTERNAL';
  const hint = isCodedError(thrown)
    ? (thrown.hint ?? ERRNO_HINT[String(thrown.details?.errno)])
    : 'This is a fault of swarm; SWARM_DEBUG=1 shows where.';
  output.event({ type: 'error', code, message: thrown.message, ...(hint === undefined ? {} : { hint }) });
  output.complain(`${output.paint('red', 'error:')} ${printable(thrown.message, MAX_MESSAGE_CELLS)}`);
  if (hint !== undefined) output.complain(output.paint('dim', printable(hint, MAX_MESSAGE_CELLS)));
  if (env.SWARM_DEBUG) {
    for (const line of (thrown.stack ?? '').split('\n')) output.complain(printable(line, MAX_MESSAGE_CELLS));
  }
  return exitCodeOf(code);
}

/** Known before anything is parsed: a wrong command line is told in the form that was asked for, too. */
function has(argv: readonly string[], ...names: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some((argument) => names.includes(argument));
}

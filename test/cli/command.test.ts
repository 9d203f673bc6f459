import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { closest } from '../../cli/closest.js';
import { defineCommand, flag, list, parseArguments, text, value } from '../../cli/command.js';
import { EXIT, exitCodeOf, isCodedError } from '../../cli/exit-codes.js';
import { commandHelp } from '../../cli/help.js';
import { parseSize } from '../../cli/units-text.js';
import { ERROR_CODES, type ErrorCode, SwarmError } from '../../engine/errors.js';
import { runCli } from '../support/cli.js';

const command = defineCommand({
  name: 'try',
  about: 'Tries.',
  positionals: { placeholder: 'PATH', min: 1, max: 2 },
  options: {
    out: value('DIR', 'where to', text, 'o'),
    size: value('SIZE', 'how much', parseSize),
    peer: list('HOST', 'whom', text),
    'no-dht': flag('without DHT'),
  },
  examples: [['try x', 'tries x']],
  run: async () => EXIT.done,
});

const parse = (...argv: string[]) => parseArguments(command, argv);
const refused = (message: RegExp, ...argv: string[]) =>
  assert.throws(() => parse(...argv), { code: 'USAGE_INVALID_OPTION', message }, argv.join(' '));

test('options are found before, between and after arguments, in every spelling', () => {
  const { positionals, options } = parse(
    'a',
    '-o',
    'x',
    '--peer=p',
    'b',
    '--size',
    '1K',
    '--peer',
    'q',
    '--no-dht',
    '-q',
  );
  assert.deepEqual(positionals, ['a', 'b']);
  assert.deepEqual(
    { ...options },
    { out: 'x', size: 1024, peer: ['p', 'q'], 'no-dht': true, json: false, quiet: true, help: false },
  );
});

test('what is not given is undefined, empty or false', () => {
  assert.deepEqual(
    { ...parse('a').options },
    { out: undefined, size: undefined, peer: [], 'no-dht': false, json: false, quiet: false, help: false },
  );
});

test('after -- everything is an argument', () => {
  assert.deepEqual(parse('--', '--size', '-x').positionals, ['--size', '-x']);
});

test('an unknown option is refused, with the one that was probably meant', () => {
  refused(/swarm try has no option --siez/, 'a', '--siez', '1');
  assert.throws(() => parse('a', '--siez'), { hint: 'Did you mean --size?' });
  assert.throws(() => parse('a', '--no-dth'), { hint: 'Did you mean --no-dht?' });
  assert.throws(() => parse('a', '--entirely-else'), { hint: 'See swarm try --help.' });
  refused(/has no option -x/, 'a', '-x');
  for (const name of ['__proto__', 'constructor', 'toString']) refused(/has no option/, 'a', `--${name}`);
});

test('a value that is missing, wrong or too much is refused, naming the option', () => {
  refused(/--size needs a value: --size SIZE/, 'a', '--size');
  refused(/--out needs a value, got the option "--json"/, 'a', '--out', '--json');
  refused(/--size: expected a size such as 256K or 4M, got "huge"/, 'a', '--size', 'huge');
  refused(/--no-dht takes no value, got "1"/, 'a', '--no-dht=1');
  assert.equal(parse('a', '--out=-x').options.out, '-x');
  assert.equal(parse('a', '-o', '-').options.out, '-');
});

test('too few and too many arguments are refused', () => {
  refused(/swarm try needs PATH/);
  refused(/unexpected argument "c"/, 'a', 'b', 'c');
  assert.equal(parse('--help').options.help, true, 'but not when help is asked for');
});

test('an empty argument or value, as of an unset variable, is refused: it would mean the current folder', () => {
  refused(/PATH is empty/, '');
  refused(/PATH is empty/, 'a', '');
  refused(/--out needs a value, got an empty one/, 'a', '--out', '');
  refused(/-o needs a value, got an empty one/, 'a', '-o', '');
  refused(/--out needs a value, got an empty one/, 'a', '--out=');
});

test('what stands in the place of the command is guessed at', async () => {
  for (const [word, hint] of [
    ['gett', 'Did you mean swarm get?'],
    ['--versoin', 'Did you mean swarm --version?'],
    ['-v', 'Did you mean swarm --version?'],
    ['--out', 'Options follow the command'],
    ['film.torrent', 'Did you mean swarm get film.torrent?'],
    ['', 'See swarm --help.'],
  ] as const) {
    const { code, stdout, stderr } = await runCli([word]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.ok(stderr.includes(hint), `${word}: ${stderr}`);
  }
});

test('whatever is typed is parsed or refused as a usage error', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('--', '-', '--out', '-o', '-oq', '--size=1', '--no-dht', '---', '-=', '--=', '-qqh'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        parse(...argv);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'USAGE_INVALID_OPTION', String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('the help names every option, its value and the examples', () => {
  const help = commandHelp(command);
  for (const part of [
    'Usage: swarm try PATH',
    '-o, --out DIR',
    '--size SIZE',
    'may be repeated',
    '-h, --help',
    '--json',
    'swarm try x',
  ])
    assert.ok(help.includes(part), part);
  assert.ok(help.split('\n').every((line) => line === line.trimEnd()));
});

test('the closest word is at most two mistakes away, and never half of the word', () => {
  const words = ['create', 'info', 'verify', 'tracker'];
  assert.equal(closest('craete', words), 'create');
  assert.equal(closest('verfy', words), 'verify');
  assert.equal(closest('trackers', words), 'tracker');
  assert.equal(closest('inof', words), 'info');
  for (const word of ['', 'x', 'in', 'seed', 'download']) assert.equal(closest(word, words), undefined, word);
});

test('every error code has the exit code of its group', () => {
  const expected: Readonly<Record<string, number>> = {
    USAGE: 2,
    TORRENT: 3,
    INPUT: 3,
    PEERS: 4,
    TRACKER: 4,
    STORAGE: 5,
    VERIFY: 6,
    ADDRESS: 7,
    CLOSED: 1,
    INTERNAL: 1,
  };
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[])
    assert.equal(exitCodeOf(code), expected[code.split('_')[0] ?? ''], code);
});

test('only errors thrown on purpose count as coded', () => {
  assert.ok(isCodedError(new SwarmError('PEERS_NONE', 'nobody')));
  for (const thrown of [
    Object.assign(new Error('x'), { code: 'ENOENT' }),
    new Error('x'),
    { code: 'PEERS_NONE' },
    null,
  ])
    assert.ok(!isCodedError(thrown));
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runCli } from '../support/cli.js';

const COMMANDS = ['get', 'seed', 'create', 'info', 'verify', 'tracker', 'doctor', 'demo'];

describe('--help', () => {
  for (const command of ['', ...COMMANDS]) {
    test(`of swarm ${command} fits 80 columns`, async () => {
      const { code, stdout } = await runCli([...(command === '' ? [] : [command]), '--help']);
      assert.equal(code, 0);
      assert.deepEqual(
        stdout.split('\n').filter((line) => line.length > 80),
        [],
      );
    });
  }

  test('says of every option what it does, beside or below it', async () => {
    const { stdout } = await runCli(['get', '--help']);
    assert.match(stdout, /^ {2}-o, --out DIR {14}download into this folder/m);
    assert.match(stdout, /^ {6}--encryption off\|prefer\|require\n {29}obfuscate connections/m);
  });
});

/** What `--bind`, `--dns` and `--proxy` say when they are used wrongly, and what they never say. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { runCli, spawnCli } from '../support/cli.js';
import { CommandLab } from '../support/command-lab.js';
import { Socks5Proxy } from '../support/socks5-proxy.js';

const MAGNET = `magnet:?xt=urn:btih:${'ab'.repeat(20)}`;
const PROXY = ['--proxy', 'socks5://me:secret@127.0.0.1:1'];

const WRONG: readonly (readonly [argv: readonly string[], says: RegExp])[] = [
  [['--dns', '192.0.2.1'], /--dns.*--bind only/],
  [['--bind', 'lo', '--dns', '192.0.2.1:99999'], /--dns: expected an address/],
  [[...PROXY, '--listen', '6881'], /--listen: nobody can connect/],
  [[...PROXY, '--dht-bootstrap', '192.0.2.1:1'], /--dht-bootstrap: there is no DHT/],
  [[...PROXY, '--peer', 'name.example:6881'], /--peer: the name name\.example is not looked up.*Give its/s],
  [['--proxy', 'socks5://me:se/cret@127.0.0.1:1'], /no URL\n.*write \/ as %2F/],
  [['--proxy', 'socks5://me:secr%et@127.0.0.1:1'], /percent-encoded/],
  [['--proxy', 'http://me:secret@127.0.0.1:1'], /--proxy: expected socks5:/],
];

for (const [argv, says] of WRONG)
  test(`get ${argv.join(' ')} says what is wrong, without the password`, async () => {
    const { code, stdout, stderr } = await runCli(['get', MAGNET, ...argv]);
    assert.equal(code, 2);
    assert.match(stderr, says);
    assert.doesNotMatch(stdout + stderr, /secret|cret@|secr%/);
  });

test('names the interfaces that there are when one is not there', async () => {
  const { code, stderr } = await runCli(['get', MAGNET, '--bind', 'nosuch0']);
  assert.equal(code, 7);
  assert.match(stderr, /nosuch0.*\n.*choose another one with --bind: there (is|are) .*\blo\b/);
});

test('get by a proxy that is not there ends with the code of a missing network', async () => {
  const { code, stderr } = await runCli(['get', MAGNET, ...PROXY]);
  assert.equal(code, 7);
  assert.match(stderr, /the proxy 127\.0\.0\.1 port 1 cannot be reached: nothing listens there\n.*--proxy/);
});

test('seed by a proxy without a tracker says that nobody finds it', async (t) => {
  const lab = await CommandLab.create(t);
  const { file } = await lab.file('film', 1000);
  const proxy = await Socks5Proxy.start(lab, { password: 'me:secret' });
  const cli = spawnCli(['seed', file, '--proxy', `socks5://me:secret@127.0.0.1:${proxy.port}`]);
  lab.after(async () => {
    cli.child.kill('SIGKILL');
    await cli.ended;
  });
  await cli.said(/nobody can connect: this seed reaches only whom --peer names/);
  if (process.platform !== 'linux') return;
  assert.doesNotMatch(await readFile(`/proc/${cli.child.pid}/cmdline`, 'latin1'), /secret/);
});

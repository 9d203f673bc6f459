/** `swarm tracker` as a program: it says where it is, serves, and stops when told to. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { jsonLines, runCli, spawnCli } from '../support/cli.js';
import { hashOf, httpTransport, udpTransport } from '../support/tracker-clients.js';

test('serves on the ports that its first line names, until Ctrl-C, and exits 0', async (t) => {
  const { child, ended } = spawnCli([
    'tracker',
    '--http',
    '127.0.0.1:0',
    '--udp',
    '127.0.0.1:0',
    '--interval',
    '10m',
    '--json',
  ]);
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout !== null);
  const [line] = await once(createInterface(child.stdout), 'line');
  const { type, http, udp } = JSON.parse(String(line));
  assert.equal(type, 'listening');
  const overHttp = httpTransport(http);
  const overUdp = await udpTransport(udp);
  t.after(() => overUdp.close());
  await overHttp.announce({ infoHash: hashOf(1), port: 1001 });
  const answer = await overUdp.announce({ infoHash: hashOf(1), port: 1002 });
  assert.deepEqual(answer.peers, [{ host: '127.0.0.1', port: 1001 }]);
  assert.ok(answer.interval >= 600 && answer.interval <= 630);
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  assert.equal(code, 0);
  const last = jsonLines(stdout).at(-1);
  assert.deepEqual([last?.type, last?.torrents, last?.peers], ['stopped', 1, 2]);
});

test('a port in use is exit code 7, and a wrong one 2', async (t) => {
  const blocker = createServer();
  blocker.listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const address = blocker.address();
  assert.ok(address !== null && typeof address === 'object');
  const taken = await runCli(['tracker', '--http', `127.0.0.1:${address.port}`, '--json']);
  assert.equal(taken.code, 7);
  assert.equal(jsonLines(taken.stdout)[0]?.code, 'ADDRESS_UNAVAILABLE');
  const foreign = await runCli(['tracker', '--udp', '192.0.2.1:0']);
  assert.equal(foreign.code, 7, foreign.stderr);
  assert.equal((await runCli(['tracker', '--http', '65536'])).code, 2);
  assert.equal((await runCli(['tracker', '--interval', '90d'])).code, 2);
});

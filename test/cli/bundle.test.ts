/** The bundle that `npm run build` makes of the command: whole, quick to start, and with its licences. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { VERSION } from '../../engine/index.js';
import { commandFile, plainCommandFile, projectRoot } from '../support/root.js';

const skip = commandFile === plainCommandFile ? 'needs the bundle: npm run build' : false;
const bundle = dirname(commandFile);

const chunks = async () => (await readdir(bundle)).filter((name) => name.endsWith('.js'));

/** What a file imports as it is loaded: names of chunks and modules. */
async function importsOf(name: string): Promise<string[]> {
  const text = await readFile(join(bundle, name), 'utf8');
  return [...text.matchAll(/^(?:import .*|import|\} from) ?"([^"]+)";$/gm)].map(([, path = '']) => path);
}

/** `name` and all that is loaded with it. */
async function loadedWith(name: string, seen = new Set<string>()): Promise<Set<string>> {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const path of await importsOf(name))
    if (path.startsWith('./')) await loadedWith(path.slice('./'.length), seen);
  return seen;
}

test('needs Node and blessed, and no other package', { skip }, async () => {
  const outside = new Set<string>();
  for (const chunk of await chunks())
    for (const path of await importsOf(chunk))
      if (!path.startsWith('./') && !isBuiltin(path)) outside.add(path);
  assert.deepEqual([...outside], ['blessed']);
});

test('--version and --help load neither engine nor torrents', { skip }, async () => {
  const sources = [...(await loadedWith('main.js'))].map((name) => readFile(join(bundle, name), 'utf8'));
  const text = (await Promise.all(sources)).join('\n');
  const modules = [...text.matchAll(/^\/\/ dist\/(\S+)$/gm)].map(([, path = '']) => path);
  assert.ok(modules.includes('cli/run.js'), 'this test reads how the bundler names its modules');
  const engine = modules.filter((path) => !path.startsWith('cli/'));
  assert.deepEqual(engine.sort(), ['engine/untrusted-text.js', 'engine/version.js']);
});

test('a thread loads one file', { skip }, async () => {
  const workers = (await chunks()).filter((name) => name.endsWith('-worker.js'));
  assert.deepEqual(workers.sort(), ['hash-worker.js', 'write-worker.js']);
  for (const worker of workers) assert.deepEqual([...(await loadedWith(worker))], [worker]);
});

test('names the licence of every package in it', { skip }, async () => {
  const licences = await readFile(join(bundle, 'LICENSES.txt'), 'utf8');
  const packages = new Set<string>();
  for (const chunk of await chunks())
    for (const [, name = ''] of (await readFile(join(bundle, chunk), 'utf8')).matchAll(
      /^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm,
    ))
      packages.add(name);
  assert.ok(packages.has('bittorrent-protocol'));
  for (const name of packages) assert.match(licences, new RegExp(`^${name} \\d`, 'm'));
});

test('runs a whole swarm away from the checkout', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'swarm-bundle-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const installed = join(folder, 'swarm/dist/bundle');
  await mkdir(dirname(installed), { recursive: true });
  await cp(bundle, installed, { recursive: true });
  await cp(join(projectRoot, 'package.json'), join(folder, 'swarm/package.json'));
  // As npm links a command.
  await symlink(join(installed, 'main.js'), join(folder, 'swarm.js'));
  const swarm = (...argv: string[]) =>
    spawnSync(process.execPath, [join(folder, 'swarm.js'), ...argv], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
    });
  assert.equal(swarm('--version').stdout, `swarm ${VERSION}\n`);
  const { status, stderr } = swarm('demo', '--size', '4M', '--up', '0');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^complete: 3 copies .* verified$/m);
});

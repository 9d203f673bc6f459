/** create, info and verify, as a user meets them. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { jsonLines, runCli, spawnCli } from '../support/cli.js';

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'swarm-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder `album` of three files, 100 KB in four pieces, and its torrent. */
async function album(t: TestContext) {
  const folder = await temporary(t);
  await mkdir(join(folder, 'album/disc 2'), { recursive: true });
  await writeFile(join(folder, 'album/one'), Buffer.alloc(50_000, 1));
  await writeFile(join(folder, 'album/disc 2/two'), Buffer.alloc(50_000, 2));
  await writeFile(join(folder, 'album/empty'), '');
  const torrent = join(folder, 'album.torrent');
  const create = await runCli([
    'create',
    join(folder, 'album'),
    '-o',
    torrent,
    '--piece-length',
    '32K',
    '--json',
  ]);
  assert.equal(create.code, 0, create.stderr);
  return { folder, torrent, created: jsonLines(create.stdout).at(-1) ?? {} };
}

test('what create made, info shows and verify finds complete', async (t) => {
  const { folder, torrent, created } = await album(t);
  const { type, ...description } = jsonLines((await runCli(['info', torrent, '--json'])).stdout)[0] ?? {};
  assert.equal(type, 'torrent');
  assert.equal(description.infoHash, created.infoHash);
  assert.deepEqual([description.name, description.totalBytes, description.pieceCount], ['album', 100_000, 4]);
  const shown = await runCli(['info', torrent]);
  assert.deepEqual([shown.code, shown.stderr], [0, '']);
  for (const part of [
    String(created.infoHash),
    '97.7 KiB (100,000 bytes), 3 files',
    '4 of 32 KiB',
    'magnet:?xt=urn:btih:',
    'album/disc 2/two',
  ])
    assert.ok(shown.stdout.includes(part), `${part} in ${shown.stdout}`);
  const verified = await runCli(['verify', torrent, '--out', folder]);
  assert.deepEqual([verified.code, verified.stdout], [0, 'complete: 4 of 4 pieces are good\n']);
});

test('create overwrites nothing unasked, and never what is no file', async (t) => {
  const { folder, torrent } = await album(t);
  const before = await readFile(torrent);
  const again = ['create', join(folder, 'album'), '-o', torrent, '--piece-length', '16K'];
  const refused = await runCli([...again, '--json']);
  assert.equal(refused.code, 5);
  assert.equal(jsonLines(refused.stdout).at(-1)?.code, 'STORAGE_EXISTS');
  assert.match(refused.stderr, /album\.torrent exists already\n.*--force/);
  assert.deepEqual(await readFile(torrent), before);

  assert.equal((await runCli([...again, '--force'])).code, 0);
  assert.notDeepEqual(await readFile(torrent), before);

  await mkdir(join(folder, 'sub'));
  const onFolder = await runCli(['create', join(folder, 'album'), '-o', join(folder, 'sub'), '--force']);
  assert.equal(onFolder.code, 5);
  assert.match(onFolder.stderr, /sub is a folder/);
  const onDevice = await runCli(['create', join(folder, 'album'), '-o', '/dev/null', '--force']);
  assert.equal(onDevice.code, 5);
  assert.match(onDevice.stderr, /\/dev\/null is not a plain file/);
});

test('create refuses a folder that is not there before it hashes anything', async (t) => {
  const { folder } = await album(t);
  const { code, stdout } = await runCli([
    ...['create', join(folder, 'album'), '-o', join(folder, 'none/x.torrent'), '--json'],
  ]);
  assert.equal(code, 5);
  assert.deepEqual(
    jsonLines(stdout).map(({ type }) => type),
    ['error'],
  );
});

test('create -o - writes the torrent to stdout, and only there', async (t) => {
  const { folder, torrent } = await album(t);
  const piped = await runCli(['create', join(folder, 'album'), '-o', '-', '--piece-length', '32K']);
  assert.equal(piped.code, 0);
  assert.equal(piped.stdout, (await readFile(torrent)).toString());
  assert.match(piped.stderr, /^created the torrent of album$/m);
  const content = join(folder, 'album');
  assert.equal((await runCli(['create', content, '-o', '-', '--json'])).code, 2);
  const onTerminal = await runCli(['create', content, '-o', '-'], { tty: true });
  assert.deepEqual([onTerminal.code, onTerminal.stdout], [2, '']);
});

test('create writes trackers in tiers, web seeds, private, comment and name', async (t) => {
  const folder = await temporary(t);
  await writeFile(join(folder, 'file'), 'x');
  const torrent = join(folder, 't.torrent');
  const { code, stderr } = await runCli([
    ...['create', join(folder, 'file'), '-o', torrent, '--private', '--comment', 'hello', '--name', 'other'],
    ...[
      '--tracker',
      'http://a.example/announce,udp://b.example:1',
      '--tracker',
      'https://c.example/announce',
    ],
    ...['--web-seed', 'https://w.example/file'],
  ]);
  assert.equal(code, 0, stderr);
  const info = jsonLines((await runCli(['info', torrent, '--json'])).stdout)[0];
  assert.deepEqual(info?.trackers, [
    ['http://a.example/announce', 'udp://b.example:1'],
    ['https://c.example/announce'],
  ]);
  assert.deepEqual(
    [info?.private, info?.comment, info?.name, info?.webSeeds],
    [true, 'hello', 'other', ['https://w.example/file']],
  );
  assert.deepEqual((await readdir(folder)).sort(), ['file', 't.torrent'], 'nothing else is left');
});

test('verify names what is wrong with which file and piece, and exits with 6', async (t) => {
  const { folder, torrent } = await album(t);
  const two = join(folder, 'album/disc 2/two');
  const damaged = await readFile(two);
  damaged[10] = 9;
  await writeFile(two, damaged);
  await rm(join(folder, 'album/empty'));
  const shown = await runCli(['verify', torrent, '--out', folder]);
  assert.equal(shown.code, 6);
  assert.match(shown.stdout, /^bad {7}album\/disc 2\/two$/m);
  assert.match(shown.stdout, /^missing {3}album\/empty$/m);
  assert.match(shown.stdout, /^bad pieces: 0$/m);
  assert.match(shown.stdout, /^not complete: 3 of 4 pieces are good$/m);
  await truncate(join(folder, 'album/one'), 40_000);
  const events = jsonLines((await runCli(['verify', torrent, '--out', folder, '--json'])).stdout);
  const verdicts = events.filter(({ type }) => type === 'file').map(({ path, verdict }) => [path, verdict]);
  assert.deepEqual(Object.fromEntries(verdicts), {
    'album/disc 2/two': 'bad',
    'album/empty': 'missing',
    'album/one': 'short',
  });
  assert.equal(events.at(-1)?.complete, false);
});

test('verify says what --out means when nothing of the torrent is there', async (t) => {
  const { folder, torrent } = await album(t);
  const inside = await runCli(['verify', torrent, '--out', join(folder, 'album')]);
  assert.equal(inside.code, 6);
  assert.match(inside.stderr, /^nothing of it is there: --out names the folder that holds album$/m);
  await rm(join(folder, 'album/one'));
  assert.equal((await runCli(['verify', torrent, '--out', folder])).stderr, '');
});

test('a fault of the system is said in words', async (t) => {
  const { folder, torrent } = await album(t);
  const nothing = await runCli(['info', join(folder, 'nothing')]);
  assert.match(nothing.stderr, /\(ENOENT\)\nThere is no such file or folder\.\n$/);
  const below = await runCli(['info', join(torrent, 'x')]);
  assert.match(below.stderr, /\(ENOTDIR\)\nA part of the path is a file, not a folder\.\n$/);
  const length = await runCli(['create', folder, '--piece-length', '100']);
  assert.match(length.stderr, /--piece-length: expected a power of two from 16K to 128M, got "100"/);
});

test('each kind of failure has its exit code', async (t) => {
  const { folder, torrent } = await album(t);
  const broken = join(folder, 'broken.torrent');
  await writeFile(broken, 'd4:infod-3:');
  for (const [code, argv] of [
    [2, ['create', folder, '--piece-length', '5']],
    [2, ['create', folder, '--tracker', 'file:///etc/passwd']],
    [2, ['info']],
    [3, ['create', join(folder, 'nothing')]],
    [3, ['info', broken]],
    [3, ['info', folder]],
    [3, ['verify', broken]],
    [5, ['create', join(folder, 'album'), '-o', join(folder, 'no/such/folder/x.torrent')]],
    [5, ['create', join(folder, 'album'), '-o', folder]],
    [6, ['verify', torrent, '--out', join(folder, 'elsewhere')]],
  ] as const) {
    const ended = await runCli(argv);
    assert.equal(ended.code, code, `${argv.join(' ')}: ${ended.stderr}`);
  }
});

test('info shows what a magnet link says, and refuses one that says nothing', async () => {
  const hash = '0123456789abcdef0123456789abcdef01234567';
  const link = `magnet:?xt=urn:btih:${hash}&dn=a%1b%5b2Jb&tr=http%3A%2F%2Fx%2F&x.pe=1.2.3.4:5&so=1,3-4`;
  const shown = await runCli(['info', link]);
  assert.equal(shown.code, 0, shown.stderr);
  for (const part of [hash, 'http://x/', '1.2.3.4 port 5', '1, 3-4'])
    assert.ok(shown.stdout.includes(part), part);
  assert.doesNotMatch(shown.stdout, /\x1b/);
  const json = jsonLines((await runCli(['info', link, '--json'])).stdout);
  assert.deepEqual(
    [json[0]?.type, json[0]?.infoHash, json[0]?.files],
    [
      'magnet',
      hash,
      [
        [1, 1],
        [3, 4],
      ],
    ],
  );
  assert.equal((await runCli(['info', 'magnet:?dn=x'])).code, 3);
});

test('names in a torrent cannot drive the terminal, nor break out of a line of JSON', async (t) => {
  const folder = await temporary(t);
  const torrent = join(folder, 't.torrent');
  const evil = 'a\x1b]52;c;x\x07\u009b2J\r{red-fg}\u202e\u200b';
  await writeFile(
    torrent,
    encodeBencode({
      announce: `http://x/${evil}`,
      comment: evil.repeat(50),
      'created by': evil,
      info: { name: evil, 'piece length': 16384, pieces: new Uint8Array(20), length: 1 },
    }),
  );
  const people = await runCli(['info', torrent]);
  assert.equal(people.code, 0, people.stderr);
  for (const line of people.stdout.split('\n')) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u200b\u202e]/);
  const json = await runCli(['info', torrent, '--json']);
  assert.match(json.stdout, /^[\x20-\x7e]+\n$/);
  assert.equal(JSON.parse(json.stdout).name, evil);
  const verify = await runCli(['verify', torrent, '--out', folder]);
  assert.equal(verify.code, 6);
  for (const line of verify.stdout.split('\n')) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u200b\u202e]/);
});

test('the program survives that its reader goes away', async (t) => {
  const folder = await temporary(t);
  const files = Array.from({ length: 20_000 }, (_, n) => ({ length: 0, path: [`file number ${n}`] }));
  const torrent = join(folder, 't.torrent');
  const info = { name: 'many', 'piece length': 16384, pieces: new Uint8Array(), files };
  await writeFile(torrent, encodeBencode({ info }));
  const { child, ended } = spawnCli(['info', torrent]);
  child.stdout?.once('data', () => child.stdout?.destroy());
  const { code, stderr } = await ended;
  assert.deepEqual([code, stderr], [0, '']);
});

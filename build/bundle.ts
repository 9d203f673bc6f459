/**
 * Makes dist/bundle/ out of dist/: the command in a few files, because Node loads each module for a millisecond of
 * CPU, and `get` has 170. The library stays as it was compiled.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

const dist = fileURLToPath(new URL('../', import.meta.url));
const projectRoot = join(dist, '..');
const outdir = join(dist, 'bundle');
const LICENCES = 'LICENSES.txt';

/** Stay packages: blessed reads its terminal descriptions from beside its sources. */
const EXTERNAL = ['blessed'];
/** What nat-upnp loads for the parts that are replaced (engine/reach/mapping/upnp-client.ts): 3 MB. */
const NEVER_CALLED = ['request', 'xml2js', 'async'];
/** Looked for by packages that do without. */
const OPTIONAL = ['supports-color'];

/** A module of nat-upnp that is no strict code, as every module here is, and makes its buffers as long ago. */
const strictNatUpnp: Plugin = {
  name: 'strict nat-upnp',
  setup(build) {
    build.onLoad({ filter: /nat-upnp\/lib\/nat-upnp\/ssdp\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return {
        contents: text
          .replace(/\binterface\b/g, 'networkInterface')
          .replace(/\bnew Buffer\(/g, 'Buffer.from('),
      };
    });
  },
};

const common = {
  absWorkingDir: projectRoot,
  outdir,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: [...EXTERNAL, ...OPTIONAL],
  alias: Object.fromEntries(NEVER_CALLED.map((name) => [name, join(dist, 'build/never-called.js')])),
  plugins: [strictNatUpnp],
  // CommonJS packages ask for Node's own modules, and for nothing else that is not in here.
  banner: { js: 'const require = process.getBuiltinModule;' },
  legalComments: 'inline',
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** What a command does not need is in another chunk than what it needs. */
const command = { ...common, entryPoints: [join(dist, 'cli/main.js')], splitting: true };
/** A thread loads one file. Where they are looked for: beside whoever starts them, by these names. */
const workers = {
  ...common,
  entryPoints: ['storage/write-worker.js', 'metainfo/hash-worker.js'].map((path) =>
    join(dist, 'engine', path),
  ),
  entryNames: '[name]',
};

const built = await Promise.all([build(command), build(workers)]);
const metafiles = built.map(({ metafile }) => metafile);
assertComplete(metafiles);
await writeFile(join(outdir, LICENCES), await licencesOf(metafiles));
await removeOthers(metafiles);

/** @throws Error naming what the bundle would look for in vain */
function assertComplete(metafiles: readonly Metafile[]): void {
  const known = [...EXTERNAL, ...OPTIONAL];
  for (const [file, { imports }] of metafiles.flatMap(({ outputs }) => Object.entries(outputs)))
    for (const { path, external } of imports)
      if (external === true && !isBuiltin(path) && !known.includes(path))
        throw new Error(`${file} needs ${path}, which is neither bundled nor known to stay outside`);
}

/** Chunks of an earlier build: last, for somebody may be running it. */
async function removeOthers(metafiles: readonly Metafile[]): Promise<void> {
  const made = metafiles.flatMap(({ outputs }) => Object.keys(outputs)).map((path) => basename(path));
  for (const name of await readdir(outdir))
    if (name !== LICENCES && !made.includes(name)) await rm(join(outdir, name), { recursive: true });
}

/** The licence of every package that parts of are in the bundle. */
async function licencesOf(metafiles: readonly Metafile[]): Promise<string> {
  const folders = new Set<string>();
  for (const path of metafiles.flatMap(({ inputs }) => Object.keys(inputs))) {
    const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
    if (folder !== undefined) folders.add(join(projectRoot, folder));
  }
  const texts = [...folders].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${(await licenceIn(folder)).trim()}\n`;
  });
  return `The command contains parts of these packages.\n\n${(await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`)}`;
}

/** Some packages have it at the end of their readme, some only name it. */
async function licenceIn(folder: string): Promise<string> {
  const names = await readdir(folder);
  const file = names.find((name) => /^(licen[cs]e|copying)\b/i.test(name));
  if (file !== undefined) return readFile(join(folder, file), 'utf8');
  const readme = names.find((name) => /^readme\b/i.test(name));
  const [, text] =
    readme === undefined
      ? []
      : (/^#+ licen[cs]e\s*\n(.*)/ims.exec(await readFile(join(folder, readme), 'utf8')) ?? []);
  if (text !== undefined) return text;
  const { license, author } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  return `${license} licence, ${author?.name ?? author}`;
}

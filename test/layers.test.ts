/** Keeps the architecture: who may import whom, and no clock, timer, randomness or I/O in the pure layers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/root.js';

interface Source {
  readonly path: string;
  readonly text: string;
  /** Project paths of its relative imports, without extension; packages and node: modules as they are. */
  readonly imports: readonly string[];
}

const sources: Source[] = ['engine', 'tracker', 'tui', 'cli', 'sim'].flatMap((folder) =>
  readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => readSource(join(entry.parentPath, entry.name))),
);

function readSource(file: string): Source {
  const text = readFileSync(file, 'utf8');
  const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) =>
    specifier.startsWith('.')
      ? relative(projectRoot, join(file, '..', specifier)).replace(/\.js$/, '')
      : specifier,
  );
  return { path: relative(projectRoot, file).replace(/\.ts$/, ''), text, imports };
}

const CONTRACTS = ['engine/units', 'engine/errors', 'engine/ports', 'engine/options', 'engine/snapshot'];
const SHARED_POLICIES = [
  'engine/policy/bitfield',
  'engine/policy/torrent-geometry',
  'engine/policy/file-layout',
  'engine/policy/ip-address',
];
const ADAPTER = [
  ...CONTRACTS,
  ...SHARED_POLICIES,
  'engine/metainfo/bencode',
  'engine/metainfo/metainfo',
  'engine/network-fault',
  'engine/own-interfaces',
  'engine/time-limit',
  'engine/untrusted-text',
  'engine/egress/socket-binding',
  'engine/egress/bound-sockets',
  'engine/egress/proxied-sockets',
  'engine/egress/socks5-dialogue',
];

/** Folder → what its files may import of the project, besides their own folder. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'engine/policy': ['engine/units'],
  'engine/swarm': [...CONTRACTS, 'engine/policy/', 'engine/metainfo/metainfo'],
  'engine/metainfo': [...CONTRACTS, ...SHARED_POLICIES],
  'engine/wire': ADAPTER,
  'engine/storage': [...ADAPTER, 'engine/metainfo/hash-pieces'],
  'engine/egress': [...CONTRACTS, 'engine/network-fault', 'engine/policy/ip-address'],
  'engine/discovery': ADAPTER,
  'engine/reach': [...ADAPTER, 'engine/wire/', 'engine/policy/handshake-room'],
  tracker: [
    'engine/units',
    'engine/errors',
    'engine/metainfo/bencode',
    'engine/discovery/compact-peers',
    'engine/policy/ip-address',
    'engine/untrusted-text',
  ],
  tui: ['engine/index'],
  sim: ['engine/units', 'engine/ports', 'engine/errors', 'engine/policy/', 'engine/swarm/'],
  cli: [
    'engine/index',
    'engine/diagnose',
    'engine/text',
    'engine/torrent-files',
    'tracker/index',
    'tui/index',
    'tui/format',
    'tui/reason',
    'tui/shorten',
    'fixtures/folder',
  ],
};

for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
  test(`${folder}/ imports only what its layer may`, () => {
    const wrong = sources
      .filter((source) => source.path.startsWith(`${folder}/`))
      .flatMap((source) =>
        source.imports
          .filter((target) => /^(engine|tracker|tui|cli|sim|bench|test)\//.test(target))
          .filter((target) => !target.startsWith(`${folder}/`))
          .filter(
            (target) =>
              !allowed.some((name) => (name.endsWith('/') ? target.startsWith(name) : target === name)),
          )
          .map((target) => `${source.path} imports ${target}`),
      );
    assert.deepEqual(wrong, []);
  });
}

for (const folder of ['engine/policy', 'engine/swarm']) {
  test(`${folder}/ has no clock, timer, randomness or I/O of its own`, () => {
    const forbidden =
      /\b(Date\.now|new Date|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|Math\.random|await |async |new Promise|Promise\.)/;
    const wrong = sources
      .filter((source) => source.path.startsWith(`${folder}/`))
      .flatMap((source) => [
        ...source.imports
          .filter((target) => target.startsWith('node:'))
          .map((target) => `${source.path}: ${target}`),
        ...withoutComments(source.text)
          .split('\n')
          .filter((line) => forbidden.test(line))
          .map((line) => `${source.path}: ${line.trim()}`),
      ]);
    assert.deepEqual(wrong, []);
  });
}

test('sim/ has no time, randomness or promise of its own: a run is its seed', () => {
  const forbidden =
    /\b(Date\.now|new Date|setTimeout|setInterval|setImmediate|queueMicrotask|Math\.random|await |async |new Promise|Promise\.)/;
  const wrong = sources
    .filter((source) => source.path.startsWith('sim/'))
    .flatMap((source) =>
      withoutComments(source.text)
        .split('\n')
        .filter(
          (line) => forbidden.test(line) || (line.includes('performance.now') && source.path !== 'sim/main'),
        )
        .map((line) => `${source.path}: ${line.trim()}`),
    );
  assert.deepEqual(wrong, []);
});

test('nobody relies on AbortSignal.timeout, which AbortSignal.any does not keep alive', () => {
  const users = sources.filter(({ text }) => withoutComments(text).includes('AbortSignal.timeout'));
  assert.deepEqual(
    users.map(({ path }) => path),
    [],
  );
});

test('only one file touches blessed', () => {
  const users = sources.filter((source) => source.imports.includes('blessed')).map((source) => source.path);
  assert.ok(users.length <= 1, users.join(', '));
});

/** Who may open sockets or ask for names, by which calls, and how each keeps to what everything is bound to. */
const OPENERS: Readonly<Record<string, readonly string[]>> = {
  // For everybody else.
  'engine/egress/bound-sockets': [
    'connect',
    'createSocket',
    'createSocket',
    'createSocket',
    'new Socket',
    'new Socket',
  ],
  // By listenFrom where there is a binding.
  'engine/reach/listener': ['createServer'],
  'engine/diagnosis/way-in-checks': ['createServer', 'createSocket'],
  // Of a connection that was accepted.
  'engine/wire/peer-socket': ['new Socket'],
  // By connectFrom, connectThrough or datagramFrom where there is a binding.
  'engine/discovery/http-get': ['http.request', 'https.request', 'tls.connect'],
  'engine/reach/mapping/gateway-http': ['http.request'],
  'engine/reach/mapping/gateway-exchange': ['createSocket'],
  // What it makes is sent by a socket of upnp-search.
  'engine/reach/mapping/upnp-client': ['createClient'],
  // By one interface at a time, that of the binding.
  'engine/discovery/multicast-socket': ['createSocket'],
  // Only where there is no binding.
  'engine/discovery/resolve': ['lookup'],
  'cli/network-options': ['lookup'],
  // Send nothing of their own: a route, what gateways tell, which name servers there are, answers.
  'engine/reach/way-out': ['createSocket'],
  'engine/reach/mapping/announcements': ['createSocket'],
  'engine/discovery/bound-resolve': [],
  'tracker/http-tracker': ['createServer'],
  'tracker/udp-tracker': ['createSocket'],
};
/** What of them sends nothing. */
const HARMLESS = /^(?:isIP(?:v[46])?|BlockList|type .*)$/;

test('sockets are opened, and names asked for, in few files, which know of bindings', () => {
  const statement =
    /import\s+(?!type\s)([^;]*?)\s*(?:from\s*)?'(node:(?:net|dgram|tls|http|https|http2|dns|dns\/promises|cluster|inspector)|nat-upnp|ws|undici)'/g;
  const late =
    /(?:\bimport|\brequire)\s*\(\s*'(?:node:(?:net|dgram|tls|https?|http2|dns)[^']*|nat-upnp)'|\b(?:fetch|WebSocket|EventSource)\s*\(/;
  const opens = ({ text }: Source): boolean => {
    const code = withoutComments(text);
    const imports = [...code.matchAll(statement)].some(([, names = '']) => {
      const braced = /^\{([\s\S]*)\}$/.exec(names)?.[1];
      if (braced === undefined) return true;
      const each = braced
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean);
      return !each.every((name) => HARMLESS.test(name));
    });
    return imports || late.test(code);
  };
  const call =
    /(?:(?<![.#\w]|function |static )(?:connect|createConnection|createSocket|createServer|lookup)|\bcreateClient|\bnew (?:Socket|Server|Resolver|Agent)|\b(?:https?\.(?:request|get)|(?:net|tls|dgram)\.\w+))(?=[(<])/g;
  const found = sources
    .filter(opens)
    .map(({ path, text }) => [path, [...withoutComments(text).matchAll(call)].map(([name]) => name).sort()]);
  assert.deepEqual(Object.fromEntries(found), OPENERS);
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}

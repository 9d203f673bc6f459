/**
 * Runs the tests: every compiled *.test.js beside this file, or those whose path contains one of the arguments.
 *
 * Unit tests run side by side; those below test/interop/ start real clients, namespaces and whole swarms, so
 * they run one at a time.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(here, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((file) => wanted.length === 0 || wanted.some((part) => relative(here, file).includes(part)))
  .sort();
const slow = files.filter((file) => relative(here, file).startsWith(`interop${sep}`));
const quick = files.filter((file) => !slow.includes(file));

/** No test asks the world: the networks that one needs, it makes. */
process.env.SWARM_DISCOVERY = 'off';

/** A file that takes longer hangs; it is ended with its name. */
const QUICK_MS = 120_000;
const SLOW_MS = 400_000;

function run(group: readonly string[], concurrency: number, timeoutMs: number): boolean {
  if (group.length === 0) return true;
  const flags = [
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${timeoutMs}`,
  ];
  return spawnSync(process.execPath, [...flags, ...group], { stdio: 'inherit' }).status === 0;
}

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}
const results = [run(quick, 2, QUICK_MS), run(slow, 1, SLOW_MS)];
process.exit(results.every(Boolean) ? 0 : 1);

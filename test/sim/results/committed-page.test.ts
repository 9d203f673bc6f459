/** docs/simulation-results/: nobody edits by hand what is drawn from data. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pageFiles } from '../../../sim/results/page.js';
import { projectRoot } from '../../support/root.js';

test('what is committed is what is drawn from its data; else: npm run sim:report -- --out docs/simulation-results', () => {
  const folder = join(projectRoot, 'docs/simulation-results');
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const files = pageFiles(JSON.parse(read('results.json')));
  assert.deepEqual(readdirSync(folder).sort(), [...files.keys(), 'results.json'].sort());
  for (const [name, text] of files) assert.ok(read(name) === text, `${name} is not what is drawn`);
});

/** Keeps the maps true: every source file is in the code map, and what documents name of a file is in it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/root.js';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

/** Paths that `document` links to, from the project's root. */
const linksOf = (document: string): string[] =>
  [...read(document).matchAll(/\]\(([^)#:]+)/g)].map(([, path = '']) =>
    relative(projectRoot, join(projectRoot, dirname(document), path)),
  );

test('the code map names every source file, or the folder that it is in', () => {
  const mapped = new Set([...linksOf('ARCHITECTURE.md'), ...linksOf('docs/simulator.md')]);
  // Top-level folders are listed file by file; where they are linked it is to lead there.
  for (const folder of ['cli', 'sim']) mapped.delete(folder);
  const missing = ['bench', 'build', 'cli', 'engine', 'fixtures', 'sim', 'tracker', 'tui'].flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
      .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)))
      .filter((path) => !mapped.has(path) && !mapped.has(dirname(path))),
  );
  assert.deepEqual(missing, []);
});

test('private members and constants that documents name are in a file that is linked beside them', () => {
  const wrong = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md'].flatMap((document) =>
    // A row of a table, or a paragraph.
    read(document)
      .split(/\n\n|\n(?=\|)/)
      .flatMap((part) => {
        const files = [...part.matchAll(/\]\(([^)#:]+\.ts)\)/g)].map(([, path = '']) => read(path));
        const names = [...part.matchAll(/`(#\w+|[A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(([, name = '']) => name);
        return names
          .filter((name) => files.length > 0 && !files.some((text) => text.includes(name)))
          .map((name) => `${document}: ${name}`);
      }),
  );
  assert.deepEqual(wrong, []);
});

/** `npm run sim:report`: a page with drawings out of the simulator's figures. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { condense } from './condense.js';
import { pageFiles, type Results } from './page.js';
import { readRuns } from './read-runs.js';

const HELP = `npm run sim:report -- --out FOLDER [FILE…]

  FILE   written by \`npm run sim -- … --json FILE\`; without any, FOLDER/results.json is drawn anew
  --out  gets the page, its drawings (*.svg; others there are removed) and results.json, all that is drawn`;

const DATA = 'results.json';

process.exitCode = main();

function main(): number {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { out: { type: 'string' }, help: { type: 'boolean', default: false } },
    });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    if (values.out === undefined) throw new Error('--out FOLDER is missing');
    write(values.out, positionals.length === 0 ? drawnBefore(values.out) : resultsOf(positionals));
    return 0;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return 2;
  }
}

function resultsOf(names: readonly string[]): Results {
  const runs = readRuns(names.map((name) => ({ name, text: readFileSync(name, 'utf8') })));
  if (runs.length === 0) throw new Error('there is no run in these files');
  return { command: `npm run sim:report -- ${process.argv.slice(2).join(' ')}`, cells: condense(runs) };
}

/** Written by this command, and trusted. */
function drawnBefore(folder: string): Results {
  return JSON.parse(readFileSync(join(folder, DATA), 'utf8'));
}

function write(folder: string, results: Results): void {
  // Drawn before anything is removed: what fails, fails here.
  const files = pageFiles(results);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name.endsWith('.svg')) rmSync(join(folder, name));
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  const cells = results.cells.map((cell) => JSON.stringify(cell)).join(',\n');
  writeFileSync(
    join(folder, DATA),
    `{"command":${JSON.stringify(results.command)},"cells":[\n${cells}\n]}\n`,
  );
  console.log(
    `${join(folder, 'README.md')} and ${files.size - 1} drawings, from ${results.cells.length} rows`,
  );
}

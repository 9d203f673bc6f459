/** The page: sound drawings, whatever is in the figures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICIES } from '../../../sim/behaviour.js';
import { condense } from '../../../sim/results/condense.js';
import { PAGE, POLICY_TEXT, pageFiles } from '../../../sim/results/page.js';
import type { MeasuredRun } from '../../../sim/table.js';
import { madeUpRun, SPEEDS } from './run-drawing.js';

const pageOf = (...runs: MeasuredRun[]): Map<string, string> =>
  pageFiles({ command: 'npm run sim:report', cells: condense(runs) });

/** Every element is closed in its order, every attribute quoted, nothing unescaped, and nothing is no number. */
function assertDrawing(svg: string): void {
  const open: string[] = [];
  const withoutTags = svg.replace(
    /<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<>]*")*)(\/?)>/g,
    (_, closes: string, name: string, __, isEmpty: string) => {
      if (closes !== '') assert.equal(open.pop(), name);
      else if (isEmpty === '') open.push(name);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(withoutTags, /[<>]|&(?!(amp|lt|gt|quot);)/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
}

test('every policy that can be compared is explained', () => {
  assert.deepEqual(
    Object.keys(POLICY_TEXT),
    POLICIES.map(({ name }) => name),
  );
});

test('a swarm has a row a policy with its spread over the seeds, and its drawings', () => {
  const files = pageOf(
    madeUpRun(),
    madeUpRun({ seed: 2, lastOverLeast: 1.17 }),
    madeUpRun({ policy: 'random', starved: 2, firstCopySeconds: null }),
  );
  const page = files.get(PAGE) ?? '';
  // s / √2 = 0.01, t = 12.71.
  assert.match(
    page,
    /^\| \*\*swarm\*\* \| 2 \| 1\.160 ± 0\.127 \| .*\| 50\.0 % \| 25\.0 % \| 1,800 s \| 1\.00 % \|$/m,
  );
  assert.match(page, /^\| random \| 1 \| 1\.150 \| .*\| never \|/m);
  assert.match(page, /^random, seed 1: 2 could not finish\.$/m);
  assert.match(page, /^npm run sim -- B2$/m);
  const linked = [...page.matchAll(/\]\(([^)#/]+\.svg)\)/g)].map(([, name]) => name);
  assert.deepEqual(linked, ['b2-3-completion.svg', 'b2-3-uplinks.svg', 'b2-3-seed-duplicates.svg']);
  assert.deepEqual([...files.keys()].sort(), [PAGE, ...linked].sort());
  for (const name of linked) assertDrawing(files.get(name!) ?? '');
});

test('where links differ, there is a drawing of what is given and got, with those who give nothing', () => {
  const slow = { ...SPEEDS, meanUpKbit: 0 };
  const files = pageOf(madeUpRun({ scenario: 'B4', speeds: { slow, quick: SPEEDS } }));
  const svg = files.get('b4-3-speeds.svg') ?? '';
  assertDrawing(svg);
  assert.equal(svg.match(/<polygon[^>]*class="mark /g)?.length, 2);
  assert.match(svg, />≤ 10</);
});

test('figures at their limits are drawn nevertheless', () => {
  const nothing = madeUpRun({
    downloadSeconds: {},
    speeds: {},
    lastSeconds: 0,
    meanSeconds: 0,
    lastOverLeast: 0,
    looks: [],
    starved: 3,
  });
  const oneAtOnce = madeUpRun({ downloadSeconds: { all: [2000] }, policy: 'random' });
  const names = { '<a href="&">': SPEEDS, ']]>': SPEEDS };
  const strange = madeUpRun({ policy: 'classic', speeds: names, lastSeconds: 1e9 });
  for (const runs of [[nothing], [oneAtOnce], [strange], [nothing, oneAtOnce, strange]]) {
    const files = pageOf(...runs);
    for (const [name, text] of files) if (name.endsWith('.svg')) assertDrawing(text);
    assert.equal(files.has('b2-3-completion.svg'), runs[0] !== nothing || runs.length > 1);
  }
});

test('a policy that takes far longer than the others is cut in the drawings, and named', () => {
  const slow = { lastSeconds: 60_000, downloadSeconds: { all: [50_000, 60_000] } };
  const files = pageOf(madeUpRun(), madeUpRun({ policy: 'sequential', ...slow }));
  assert.match(files.get(PAGE) ?? '', /^sequential took 60,000 s: the drawings end before\.$/m);
  for (const [name, text] of files) {
    if (!name.endsWith('.svg')) continue;
    assertDrawing(text);
    assert.ok(text.includes('>2,000<') && !text.includes('>60,000<'), name);
    const places = [...text.matchAll(/(?:points|d)="([^"]*)"/g)].flatMap(([, list = '']) =>
      [...list.matchAll(/(?:^| |H|M)(\d[\d.]*)/g)].map(([, x]) => Number(x)),
    );
    assert.ok(places.length > 50 && Math.max(...places) <= 860, `${name}: ${Math.max(...places)}`);
  }
});

test('a policy that has figures elsewhere, and none here, was not run, or failed if it was', () => {
  const elsewhere = madeUpRun({ scenario: 'B3', policy: 'classic' });
  const page = pageOf(madeUpRun(), elsewhere).get(PAGE) ?? '';
  assert.match(
    page,
    /^At this size classic was not run;\n`npm run sim -- B2 --peers 3 --policy classic` does\.$/m,
  );
  assert.match(
    page,
    /^At this size swarm was not run;\n`npm run sim -- B3 --peers 3 --policy swarm` does\.$/m,
  );
  const command = 'npm run sim -- B2 --policy swarm --policy Classic';
  const failed = pageOf(madeUpRun({ command }), elsewhere, madeUpRun({ scenario: 'B3', policy: 'random' }));
  assert.match(
    failed.get(PAGE) ?? '',
    /^No run of classic succeeded; why, says\n`npm run sim -- B2 --peers 3 --policy classic`\.\n\nAt this size random was not run;\n/m,
  );
});

test('who is done before our last peer is named, with whether the intervals tell them apart', () => {
  const page = (...policies: [string, ...number[]][]): string =>
    pageOf(
      ...policies.flatMap(([policy, ...ratios]) =>
        ratios.map((lastOverLeast, i) => madeUpRun({ policy, lastOverLeast, seed: i + 1 })),
      ),
    ).get(PAGE) ?? '';
  assert.match(
    page(['swarm', 1.1, 1.1], ['random', 1.09, 1.09], ['sequential', 1, 1.19], ['classic', 1.1, 1.1002]),
    /^Here the last peer was done sooner with random and sequential \(within the ±\) than with swarm\.$/m,
  );
  assert.doesNotMatch(page(['swarm', 1.1], ['random', 1.1001], ['classic', 1.0999]), /done sooner/);
  assert.doesNotMatch(page(['random', 1.1], ['classic', 1]), /done sooner/);
});

test('panels of uplinks take the whole width, however many there are', () => {
  for (const count of [1, 2, 3, 4, 6]) {
    const runs = POLICIES.slice(0, count).map(({ name }) => madeUpRun({ policy: name }));
    const svg = pageOf(...runs).get('b2-3-uplinks.svg') ?? '';
    assertDrawing(svg);
    const ends = [...svg.matchAll(/x2="([\d.]+)"[^>]*class="grid"/g)].map(([, x]) => Number(x));
    assert.equal(Math.max(...ends), 836, `${count}`);
  }
});

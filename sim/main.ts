/** `npm run sim`: runs scenarios, prints a table, writes JSON. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { POLICIES } from './behaviour.js';
import { CheckFailed } from './checks.js';
import { SCENARIOS } from './scenarios/index.js';
import { simulate } from './simulation.js';
import { formatRuns, type MeasuredRun } from './table.js';

const HELP = `npm run sim -- SCENARIO… [--seed N] [--seeds K] [--peers N] [--policy NAME]… [--json FILE]

  --seed    the first seed (default 1)
  --seeds   how many seeds, from the first on (default 1)
  --peers   leechers, instead of the scenario's own number
  --policy  what the honest peers do; several are compared: ${POLICIES.map(({ name }) => name).join(', ')}
  --json    all figures of every run

Scenarios:
${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}`;

process.exitCode = main();

function main(): number {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return 2;
  }
  if (parsed === undefined) {
    console.log(HELP);
    return 0;
  }
  const { scenarios, policies, seed, seeds, peers, json } = parsed;
  const runs: MeasuredRun[] = [];
  const command = `npm run sim -- ${process.argv.slice(2).join(' ')}`;
  const revision = revisionOfCode();
  for (const scenario of scenarios) {
    for (const policy of policies) {
      for (let i = 0; i < seeds; i++) {
        const count = peers ?? scenario.peers;
        const replay =
          `npm run sim -- ${scenario.name} --seed ${seed + i} --peers ${count}` +
          (policy.name === 'swarm' ? '' : ` --policy ${policy.name}`);
        try {
          const startedAt = performance.now();
          const cpuBefore = process.cpuUsage();
          const result = simulate({ scenario, policy, seed: seed + i, peers: count, replay });
          const wallSeconds = (performance.now() - startedAt) / 1000;
          const cpu = process.cpuUsage(cpuBefore);
          const cpuSeconds = (cpu.user + cpu.system) / 1e6;
          const peakMegabytes = process.resourceUsage().maxRSS / 1024;
          runs.push({ ...result, wallSeconds, cpuSeconds, peakMegabytes, command, revision });
          process.stderr.write(
            `${scenario.name} ${policy.name} seed ${seed + i}: last ${result.lastSeconds.toFixed(0)} s, ` +
              `${result.lastOverLeast.toFixed(3)} × T_min, ${wallSeconds.toFixed(1)} s of real time\n`,
          );
        } catch (error) {
          if (!(error instanceof CheckFailed)) throw error;
          console.error(error.message);
          return 1;
        }
      }
    }
  }
  console.log(formatRuns(runs));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(runs, null, 1)}\n`);
  return 0;
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      peers: { type: 'string' },
      policy: { type: 'string', multiple: true, default: ['swarm'] },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || positionals.length === 0) return undefined;
  return {
    scenarios: positionals.map((name) => named(SCENARIOS, name, 'scenario')),
    policies: values.policy.map((name) => named(POLICIES, name, 'policy')),
    seed: whole('--seed', values.seed),
    seeds: whole('--seeds', values.seeds),
    peers: values.peers === undefined ? undefined : whole('--peers', values.peers),
    json: values.json,
  };
}

function revisionOfCode(): string {
  const git = (...args: string[]) =>
    spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout?.trim() ?? '';
  const commit = git('rev-parse', '--short=10', 'HEAD');
  const isChanged = git('status', '--porcelain', '--', ':/engine', ':/sim') !== '';
  return commit === '' ? 'unknown' : `${commit}${isChanged ? '+' : ''}`;
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string, what: string): T {
  const found = all.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) throw new Error(`there is no ${what} "${name}"`);
  return found;
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${option} takes a whole number from 1 on, not "${text}"`);
  return value;
}

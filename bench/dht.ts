/** First version: lookups in a virtual network. */
import { Population } from '../test/support/dht-population.js';
import { VirtualInternet } from '../test/support/virtual-internet.js';
import { seededRng } from '../test/policy/drawings.js';

const live = Number(process.argv[2] ?? 10000);
const count = Number(process.argv[3] ?? 200);
const rng = seededRng(7);
const internet = new VirtualInternet(rng);
let t = performance.now();
const population = new Population({ internet, rng, live, dead: live });
console.log('made in', performance.now() - t, process.memoryUsage().rss / 1e6);
t = performance.now();
const first: number[] = [], done: number[] = [], queries: number[] = [];
let found = 0;
for (let i = 0; i < count; i++) {
  const target = population.randomTarget();
  const announcer = population.searcher();
  let over = false;
  let told = 0;
  announcer.lookUpPeers({ infoHash: target, onPeers() {}, announce: { port: 5555, implied: false, seed: false }, onDone: (n) => { told = n; over = true; } });
  internet.run(() => over);
  internet.run(() => false, 1000);
  const searcher = population.searcher();
  const start = internet.clock.now();
  let at: number | undefined;
  over = false;
  searcher.lookUpPeers({ infoHash: target, onPeers() { at ??= internet.clock.now(); }, onDone: (_n, q) => { over = true; queries.push(q); done.push(internet.clock.now() - start); } });
  internet.run(() => over);
  if (at !== undefined) { found++; first.push(at - start); }
  announcer.close(); searcher.close();
  if (i < 3) console.log('told', told);
}
const q = (a: number[], p: number) => [...a].sort((x, y) => x - y)[Math.min(a.length - 1, Math.floor(p * a.length))]?.toFixed(0);
const show = (n: string, a: number[]) => console.log(n, 'p50', q(a, 0.5), 'p90', q(a, 0.9), 'p99', q(a, 0.99), 'max', q(a, 1));
console.log('found', found, 'of', count, 'in', performance.now() - t);
show('first', first); show('done', done); show('queries', queries);

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AnnounceAnswer } from '../../engine/discovery/announce.js';
import { DEFAULT_TIER_LIMITS, MAX_TRACKERS, TrackerTiers } from '../../engine/discovery/tracker-tiers.js';
import { asMillis } from '../../engine/units.js';

const MINUTE = 60_000;
const answer = (overrides: Partial<AnnounceAnswer> = {}): AnnounceAnswer => ({
  intervalSeconds: 1_800,
  minIntervalSeconds: null,
  seeders: null,
  leechers: null,
  peers: [],
  warning: null,
  externalIp: null,
  ...overrides,
});

/** A rng that leaves a tier in its order, and jitter at its middle. */
const KEEP_ORDER = () => 0.999_999;

/** Trackers are letters; `'ab c'` is a tier of a and b, then one of c. */
function setup(drawing: string, { firstTierOnly = false, rng = KEEP_ORDER } = {}) {
  const tiers = new TrackerTiers(
    drawing.split(' ').map((tier) => [...tier]),
    { rng, firstTierOnly, limits: DEFAULT_TIER_LIMITS },
  );
  const { urls } = tiers;
  const id = (url: string): number => urls.indexOf(url);
  let now = 0;
  return {
    tiers,
    id,
    pass: (ms: number) => {
      now += ms;
    },
    /** What is due now, as `a:started b:none`. */
    due: () =>
      tiers
        .due(asMillis(now))
        .map((due) => `${urls[due.id]}:${due.event}`)
        .join(' '),
    good: (url: string, overrides: Partial<AnnounceAnswer> = {}) =>
      tiers.onAnswer(id(url), answer(overrides), asMillis(now)),
    bad: (url: string, more: { retryMs?: number; permanent?: boolean } = {}) =>
      tiers.onFailure(id(url), { message: 'bad', ...more }, asMillis(now)),
    /** Milliseconds until something is due. */
    wait: () => (tiers.nextAt() ?? Number.POSITIVE_INFINITY) - now,
    row: (url: string) => tiers.snapshot(asMillis(now)).find((row) => row.url === url),
    order: () =>
      tiers
        .snapshot(asMillis(now))
        .map((row) => row.url)
        .join(''),
  };
}

describe('tracker tiers', () => {
  it('announces started to the first of every tier, then waits for outcomes', () => {
    const t = setup('ab cd e');
    assert.equal(t.due(), 'a:started c:started e:started');
    assert.equal(t.due(), '');
    assert.equal(t.wait(), Number.POSITIVE_INFINITY);
  });

  it('tries the next of the tier at once when one fails, and puts the one that works in front', () => {
    const t = setup('abc');
    t.due();
    t.bad('a');
    assert.equal(t.due(), 'b:started');
    t.good('b');
    assert.equal(t.order(), 'bac');
    assert.equal(t.due(), '', 'the others rest while one works');
    t.pass(30 * MINUTE);
    assert.equal(t.due(), 'b:none');
    t.bad('b');
    assert.equal(t.due(), 'a:started', 'as BEP 12 orders it');
    t.bad('a');
    assert.equal(t.due(), 'c:started');
    t.good('c');
    assert.equal(t.order(), 'cba');
  });

  it('with the first tier only, uses a later tier while all before it fail', () => {
    const t = setup('ab c d', { firstTierOnly: true });
    assert.equal(t.due(), 'a:started');
    t.bad('a');
    assert.equal(t.due(), 'b:started');
    t.bad('b');
    assert.equal(t.due(), 'c:started');
    t.good('c');
    assert.equal(t.due(), '');
    t.pass(t.wait());
    assert.equal(t.due(), 'a:started', 'the first tier is tried again');
    t.good('a');
    t.pass(30 * MINUTE);
    assert.equal(t.due(), 'a:none', 'and the backup rests');
  });

  it('shuffles each tier, and only within it', () => {
    const t = setup('abc de', { rng: () => 0 });
    assert.equal(t.order(), 'bcaed');
  });

  it('keeps an interval between half a minute and four hours, and puts the default for what is none', () => {
    const intervals: [number | null, number][] = [
      [600, 600_000],
      [1, 30_000],
      [0.001, 30_000],
      [1e9, 4 * 60 * MINUTE],
      [2 ** 53, 4 * 60 * MINUTE],
      [null, 30 * MINUTE],
      [0, 30 * MINUTE],
      [-1, 30 * MINUTE],
      [-(2 ** 31), 30 * MINUTE],
      [Number.NaN, 30 * MINUTE],
      [Number.POSITIVE_INFINITY, 30 * MINUTE],
    ];
    for (const [intervalSeconds, expectedMs] of intervals) {
      const t = setup('a');
      t.due();
      t.good('a', { intervalSeconds });
      assert.equal(t.wait(), expectedMs, String(intervalSeconds));
      t.pass(expectedMs - 1);
      assert.equal(t.due(), '');
      t.pass(1);
      assert.equal(t.due(), 'a:none');
    }
  });

  it('always rests after an outcome, and never for ever, whatever is answered or wanted', () => {
    const step = fc.record({
      interval: fc.option(fc.double()),
      least: fc.option(fc.double()),
      good: fc.boolean(),
      retryMs: fc.option(fc.double(), { nil: undefined }),
      jitter: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let jitter = 0;
        const t = setup('a', { rng: () => jitter });
        let last = 0;
        let now = 0;
        for (const { interval, least, good, retryMs, jitter: drawn } of steps) {
          const due = t.due();
          assert.match(due, /^a:/);
          if (due === 'a:none' && last > 0) assert(now - last >= 11_250, `after ${now - last} ms`);
          last = now;
          jitter = drawn;
          if (good) t.good('a', { intervalSeconds: interval, minIntervalSeconds: least });
          else t.bad('a', retryMs === undefined ? {} : { retryMs });
          t.tiers.wantPeers();
          const wait = t.wait();
          assert(wait >= (good ? 30_000 : 11_250), `${wait} is too soon`);
          assert(wait <= 24 * 60 * MINUTE, `${wait} is too late`);
          t.pass(wait);
          now += wait;
        }
      }),
    );
  });

  it('comes earlier when peers are wanted, each time less eagerly, and then asks for many', () => {
    const t = setup('a');
    t.due();
    t.good('a');
    const waits: number[] = [];
    for (let n = 0; n < 7; n++) {
      t.tiers.wantPeers();
      t.tiers.wantPeers();
      const wait = t.wait();
      t.pass(wait);
      waits.push(wait / MINUTE);
      const [due] = t.tiers.due(asMillis(waits.reduce((sum, each) => sum + each, 0) * MINUTE));
      assert.equal(due?.numWant, 200);
      t.good('a');
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 30, 1], 'it starts over after it waited for the interval');
  });

  it('respects the least interval of the tracker when peers are wanted', () => {
    const t = setup('a');
    t.due();
    t.good('a', { minIntervalSeconds: 900 });
    t.tiers.wantPeers();
    assert.equal(t.wait(), 15 * MINUTE);
    t.pass(15 * MINUTE);
    t.due();
    t.good('a', { intervalSeconds: 60, minIntervalSeconds: 900 });
    assert.equal(t.wait(), 15 * MINUTE, 'above the interval itself');
  });

  it('tells a tracker as early as it bears it that what it knows of us changed', () => {
    const t = setup('ab');
    t.due();
    t.tiers.announceAgain();
    t.good('a', { minIntervalSeconds: 120 });
    assert.equal(t.wait(), 2 * MINUTE, 'changed during an announce');
    t.pass(2 * MINUTE);
    assert.equal(t.due(), 'a:none');
    t.good('a');
    t.pass(MINUTE);
    assert.equal(t.wait(), 29 * MINUTE);
    t.tiers.announceAgain();
    assert.equal(t.wait(), MINUTE);
  });

  it('backs off from a tracker that fails, doubling up to half an hour, with jitter', () => {
    const t = setup('a', { rng: () => 0.5 });
    const waits: number[] = [];
    for (let n = 0; n < 9; n++) {
      assert.equal(t.due(), 'a:started');
      t.bad('a');
      waits.push(t.wait() / 1_000);
      t.pass(t.wait());
    }
    assert.deepEqual(waits, [15, 30, 60, 120, 240, 480, 960, 1_800, 1_800]);
    const jittered = (rng: number): number => {
      const other = setup('a', { rng: () => rng });
      other.due();
      other.bad('a');
      return other.wait();
    };
    assert.equal(jittered(0), 11_250);
    assert.equal(jittered(0.8), 17_250);
  });

  it('comes back when a tracker says so, within reason, and never when told so', () => {
    const waitAfter = (more: { retryMs?: number; permanent?: boolean }): number => {
      const t = setup('a');
      t.due();
      t.bad('a', more);
      return t.wait();
    };
    assert.equal(waitAfter({ retryMs: 7 * MINUTE }), 7 * MINUTE);
    assert.equal(waitAfter({ retryMs: 1 }), 15_000);
    assert.equal(waitAfter({ retryMs: 1e15 }), 24 * 60 * MINUTE);
    assert.equal(waitAfter({ permanent: true }), Number.POSITIVE_INFINITY);
  });

  it('tells completed once, at once, and only trackers that knew us before', () => {
    const t = setup('a b');
    t.due();
    t.good('a');
    t.bad('b');
    t.tiers.completed();
    assert.equal(t.wait(), 0);
    assert.equal(t.due(), 'a:completed');
    t.good('a');
    t.pass(MINUTE);
    assert.equal(t.due(), 'b:started');
    t.good('b');
    assert.equal(t.due(), '');
    t.pass(60 * MINUTE);
    assert.equal(t.due(), 'a:none b:none');
  });

  it('tells completed after a started that was under way, and again if it was not heard', () => {
    const t = setup('a');
    t.due();
    t.tiers.completed();
    assert.equal(t.due(), '');
    t.good('a');
    assert.equal(t.due(), 'a:completed');
    t.bad('a');
    t.pass(MINUTE);
    assert.equal(t.due(), 'a:completed');
    t.good('a');
    t.pass(60 * MINUTE);
    assert.equal(t.due(), 'a:none');
  });

  it('says goodbye to those that know of us or may do so', () => {
    const t = setup('ab c d');
    t.due();
    t.good('a');
    t.bad('c');
    assert.deepEqual(t.tiers.toStop(), [t.id('a'), t.id('d')]);
  });

  it('drops an answer that nobody waits for', () => {
    const t = setup('a');
    t.due();
    t.bad('a');
    const { state, nextAnnounceInSeconds } = t.row('a') ?? assert.fail();
    t.good('a');
    assert.deepEqual(t.row('a')?.state, state);
    assert.deepEqual(t.row('a')?.nextAnnounceInSeconds, nextAnnounceInSeconds);
  });

  it('bounds what is under way and what is kept, and drops duplicates', () => {
    const many = new TrackerTiers(
      Array.from({ length: 1_000 }, (_, n) => [`u${n}`, `u${n}`, 'u0']),
      { rng: KEEP_ORDER, firstTierOnly: false, limits: DEFAULT_TIER_LIMITS },
    );
    assert.equal(many.urls.length, MAX_TRACKERS);
    assert.equal(new Set(many.urls).size, MAX_TRACKERS);
    assert.equal(many.due(asMillis(0)).length, 8);
    assert.equal(many.nextAt(), undefined);
    many.onFailure(0, { message: '' }, asMillis(0));
    assert.equal(many.nextAt(), 0);
    assert.equal(many.due(asMillis(0)).length, 1);
  });

  it('has nothing to do without trackers', () => {
    const none = new TrackerTiers([[], []], {
      rng: KEEP_ORDER,
      firstTierOnly: true,
      limits: DEFAULT_TIER_LIMITS,
    });
    assert.deepEqual(none.due(asMillis(0)), []);
    assert.equal(none.nextAt(), undefined);
    assert.deepEqual(none.snapshot(asMillis(0)), []);
  });

  it('shows state, message, numbers and the time to the next announce', () => {
    const t = setup('a b');
    assert.equal(t.row('a')?.state, 'idle');
    t.due();
    assert.equal(t.row('a')?.state, 'announcing');
    assert.equal(t.row('a')?.nextAnnounceInSeconds, null);
    const peers = [{ host: '1.2.3.4', port: 1 }];
    t.good('a', { seeders: 4, leechers: 5, warning: 'slow down', peers });
    t.tiers.onPeers(t.id('a'), answer({ peers }));
    t.bad('b');
    t.pass(1_000);
    assert.deepEqual(t.row('a'), {
      url: 'a',
      tier: 0,
      state: 'working',
      message: 'slow down',
      seeders: 4,
      leechers: 5,
      peersReceived: 2,
      nextAnnounceInSeconds: 1_799,
    });
    assert.deepEqual([t.row('b')?.state, t.row('b')?.message, t.row('b')?.tier], ['failed', 'bad', 1]);
  });
});

/**
 * Viewers of a super-seed that take what they are shown, pass nothing on and lie about what they have, where the seed
 * is the bottleneck: each piece that it sends in vain, or twice, costs all. The rest is as in B3.
 */
import { type Behaviour, CLAIMS_ALL, CLAIMS_NEARLY_ALL, CLAIMS_SHOWN, FREE_RIDER } from '../behaviour.js';
import type { Scenario } from '../scenario.js';
import { B3 } from './flash-crowd.js';

const PEERS = 60;
const LIARS = 3;
const GROUP = 'liar';
const HONEST = 'viewers-honest';

const viewers = (name: string, about: string, behaviour?: Behaviour): Scenario => ({
  ...B3,
  name,
  about,
  peers: PEERS,
  pieces: 100,
  leechers: [
    {
      name: GROUP,
      share: LIARS / PEERS,
      link: { downKbit: 1500, upKbit: 400 },
      ...(behaviour === undefined ? {} : { behaviour }),
    },
    { name: 'honest', share: 1 - LIARS / PEERS, link: { downKbit: 1500, upKbit: 400 } },
  ],
  ...(behaviour === undefined ? {} : { compared: { scenario: HONEST, group: GROUP } }),
});

export const SUPER_SEED_LIARS: readonly Scenario[] = [
  viewers(HONEST, 'a seed half as quick as its peers, all honest: to compare'),
  viewers('viewers-taking', 'three of them pass nothing on', FREE_RIDER),
  viewers('viewers-all', 'three of them say they have everything', CLAIMS_ALL),
  viewers('viewers-nearly-all', 'three of them say they have all pieces but one', CLAIMS_NEARLY_ALL),
  viewers('viewers-shown', 'three of them say they have each piece that they are shown', CLAIMS_SHOWN),
  {
    ...viewers(
      'viewers-two-seeds',
      'a second seed, quicker, is at work: what peers have from it is believed',
    ),
    seeds: [...B3.seeds, { count: 1, link: { downKbit: 10_000, upKbit: 2000 } }],
  },
];

/** Way in: tells, once the router was asked and whenever it changes, whether the Internet can reach us. */
import { type Engine, type EngineSnapshot, printable } from '../engine/index.js';
import type { Output } from './output.js';

type Outside = Pick<EngineSnapshot, 'reachability' | 'portMapping' | 'listen'>;

const CHECK_MS = 1_000;
const PROTOCOLS = { upnp: 'UPnP', 'nat-pmp': 'NAT-PMP', pcp: 'PCP' } as const;
const MAX_TEXT_CELLS = 300;

/** @param aloud also to people @returns ends it */
export function tellWayIn(engine: Engine, aloud: boolean, output: Output): () => void {
  let told = '';
  const timer = setInterval(() => {
    const { outside } = engine;
    const { reachability, portMapping } = outside;
    const { state, how, externalHost, reason, advice } = reachability;
    // The answer comes in a moment.
    if (portMapping.state === 'searching') return;
    const news = `${state} ${how} ${externalHost} ${reason} ${advice}`;
    if (news === told) return;
    told = news;
    output.event({ type: 'reachability', ...reachability });
    if (aloud) for (const line of wayInLines(outside)) output.note(line);
  }, CHECK_MS);
  return () => clearInterval(timer);
}

/** As the lines below `seeding film.mkv`. */
export function wayInLines({ reachability, portMapping, listen }: Outside): string[] {
  const { state, how, externalHost, reason, advice } = reachability;
  if (state === 'outgoing only' || state === 'unknown')
    return [
      `  way in     ${state === 'unknown' ? state : 'none from the Internet'}: ${printable(reason, MAX_TEXT_CELLS)}`,
      ...(advice === null ? [] : [`             ${printable(advice, MAX_TEXT_CELLS)}`]),
    ];
  if (state !== 'mapped' || how === null)
    return [`  way in     direct: ${printable(reason, MAX_TEXT_CELLS)}`];
  const mapping = portMapping.mappings.find(({ transport }) => transport === 'tcp');
  const port = mapping?.externalPort ?? listen?.port;
  const where = externalHost === null ? `port ${port}` : hostPort(externalHost, port);
  return [`  way in     the router forwards ${where} (${PROTOCOLS[how]})`];
}

const hostPort = (host: string, port: number | undefined): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

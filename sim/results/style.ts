/**
 * Style: colours and strokes of all drawings, for light and dark pages. A drawing has its own ground, as the page
 * around it may be of the other kind. Lines differ in dashes too, for who sees no colours.
 */
import { POLICIES } from '../behaviour.js';
import { IDLE_CAUSES } from '../survey.js';

interface Ink {
  readonly light: string;
  readonly dark: string;
}

const GROUND: Ink = { light: '#ffffff', dark: '#0d1117' };
const TEXT: Ink = { light: '#1f2328', dark: '#e6edf3' };
const FAINT_TEXT: Ink = { light: '#59636e', dark: '#9198a1' };
const GRID: Ink = { light: '#e4e7eb', dark: '#272d36' };
const AXIS: Ink = { light: '#8c959f', dark: '#6e7681' };

/** By policy, in the order of `POLICIES`; ours is the thickest. */
const SERIES: readonly (Ink & { readonly dashes: string })[] = [
  { light: '#1f6fd0', dark: '#4c96ee', dashes: 'none' },
  { light: '#d9541e', dark: '#e8713c', dashes: '7 3' },
  { light: '#5b48b8', dark: '#a08ff0', dashes: '2 3' },
  { light: '#12875c', dark: '#2cb384', dashes: 'none' },
  { light: '#a87300', dark: '#d9a11c', dashes: '9 3 2 3' },
  { light: '#c9427c', dark: '#e4699c', dashes: '4 2' },
];

const USED: Ink = { light: '#3b83d8', dark: '#2f6fbf' };
const IDLE: Readonly<Record<(typeof IDLE_CAUSES)[number], Ink>> = {
  empty: { light: '#c3c9d0', dark: '#4a515b' },
  unwanted: { light: '#efb62f', dark: '#b98712' },
  choked: { light: '#2f9e6e', dark: '#23805a' },
  unasked: { light: '#c93a5b', dark: '#a32f4c' },
  receivers: { light: '#7a63c9', dark: '#6c58b5' },
};

/** Policies beyond the palette share colours. */
export const seriesClass = (policy: string): string =>
  `series-${
    Math.max(
      0,
      POLICIES.findIndex(({ name }) => name === policy),
    ) % SERIES.length
  }`;

export const STYLE = [
  `text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}`,
  `.title{font-weight:600}`,
  `.grid,.axis,.bound,.equal{stroke-width:1;fill:none}`,
  `.bound{stroke-width:1.5;stroke-dasharray:5 4}`,
  `.equal{stroke-dasharray:1 4}`,
  `.line{fill:none;stroke-width:1.75;stroke-linejoin:round}`,
  `.line.series-0{stroke-width:3}`,
  ...SERIES.map(({ dashes }, i) => `.line.series-${i}{stroke-dasharray:${dashes}}`),
  ...inks('light'),
  `@media (prefers-color-scheme: dark){`,
  ...inks('dark'),
  `}`,
].join('\n');

function inks(mode: keyof Ink): string[] {
  return [
    `.ground{fill:${GROUND[mode]}}`,
    `text{fill:${TEXT[mode]}}`,
    `text.faint{fill:${FAINT_TEXT[mode]}}`,
    `.grid{stroke:${GRID[mode]}}`,
    `.axis,.equal{stroke:${AXIS[mode]}}`,
    `.bound{stroke:${TEXT[mode]}}`,
    ...SERIES.map((ink, i) => `.line.series-${i}{stroke:${ink[mode]}}.mark.series-${i}{fill:${ink[mode]}}`),
    `.mark{stroke:${GROUND[mode]};stroke-width:1}`,
    `.used{fill:${USED[mode]}}`,
    ...IDLE_CAUSES.map((cause) => `.${cause}{fill:${IDLE[cause][mode]}}`),
  ];
}

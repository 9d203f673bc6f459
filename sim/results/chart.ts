/** Chart: what every drawing consists of: ground, axes with ticks and titles, legend. Places are in pixels. */
import type { Scale } from './scale.js';
import { STYLE, seriesClass } from './style.js';
import { element, escapeXml, lineFrom, textAt } from './svg.js';

export const WIDTH = 860;
const LINE = 20;
/** About the mean width of a character of 13 px. */
const CHARACTER = 6.9;

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

interface AxisText {
  readonly x: (value: number) => string;
  readonly y: (value: number) => string;
  readonly xTitle?: string;
  readonly yTitle?: string;
}

/** The whole file. `description` is for who hears it instead of seeing it. */
export function drawing(
  height: number,
  title: string,
  description: string,
  content: readonly string[],
): string {
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${height}`,
      width: WIDTH,
      height,
      role: 'img',
    },
    `<title>${escapeXml(title)}</title>`,
    `<desc>${escapeXml(description)}</desc>`,
    `<style>\n${STYLE}\n</style>`,
    element('rect', { width: WIDTH, height, class: 'ground' }),
    ...content,
  )}\n`;
}

/** Grid, axes and their text; what is drawn in the box comes after it. */
export function axes(box: Box, x: Scale, y: Scale, text: AxisText): string[] {
  const { left, top, right, bottom } = box;
  const middle = (left + right) / 2;
  return [
    ...y.ticks.flatMap((tick) => [
      lineFrom(left, y.at(tick), right, y.at(tick), 'grid'),
      textAt(left - 8, y.at(tick) + 4, text.y(tick), { 'text-anchor': 'end', class: 'faint' }),
    ]),
    ...x.ticks.flatMap((tick) => [
      lineFrom(x.at(tick), bottom, x.at(tick), bottom + 5, 'axis'),
      textAt(x.at(tick), bottom + 19, text.x(tick), { 'text-anchor': 'middle', class: 'faint' }),
    ]),
    lineFrom(left, bottom, right, bottom, 'axis'),
    ...(text.xTitle === undefined
      ? []
      : [textAt(middle, bottom + 40, text.xTitle, { 'text-anchor': 'middle' })]),
    ...(text.yTitle === undefined ? [] : [textAt(left, top - 12, text.yTitle)]),
  ];
}

/** The least time, as a line from the box's top to its bottom. */
export const bound = (box: Box, x: Scale, leastSeconds: number): string =>
  lineFrom(x.at(leastSeconds), box.top, x.at(leastSeconds), box.bottom, 'bound');

export interface LegendItem {
  readonly label: string;
  /** Draws its sign with its middle at (x, y); it is 24 pixels wide. */
  readonly sign: (x: number, y: number) => string;
}

/** Rows of signs and labels from `top` on. Also says where it ends. */
export function legend(
  items: readonly LegendItem[],
  left: number,
  top: number,
): { svg: string[]; end: number } {
  const svg: string[] = [];
  let x = left;
  let y = top;
  for (const { label, sign } of items) {
    const width = 32 + label.length * CHARACTER + 18;
    if (x + width > WIDTH && x > left) {
      x = left;
      y += LINE;
    }
    svg.push(sign(x + 12, y), textAt(x + 32, y + 4, label));
    x += width;
  }
  return { svg, end: y + LINE };
}

const lineSign =
  (className: string): LegendItem['sign'] =>
  (x, y) =>
    lineFrom(x - 12, y, x + 12, y, className);

export const areaSign =
  (className: string): LegendItem['sign'] =>
  (x, y) =>
    element('rect', { x: x - 7, y: y - 7, width: 14, height: 14, class: className });

export const policySign = (policy: string): LegendItem => ({
  label: policy,
  sign: lineSign(`line ${seriesClass(policy)}`),
});

export const BOUND_SIGN: LegendItem = { label: 'T_min', sign: lineSign('bound') };

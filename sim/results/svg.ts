/** SVG: elements as text. The same input gives the same bytes. */

type Attributes = Readonly<Record<string, string | number>>;

export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const list = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? place(value) : escapeXml(value)}"`)
    .join('');
  return children.length === 0
    ? `<${name}${list}/>`
    : `<${name}${list}>${children.join(children.some((child) => child.startsWith('<')) ? '\n' : '')}</${name}>`;
}

export const textAt = (x: number, y: number, content: string, attributes: Attributes = {}): string =>
  element('text', { x, y, ...attributes }, escapeXml(content));

export const lineFrom = (x1: number, y1: number, x2: number, y2: number, className: string): string =>
  element('line', { x1, y1, x2, y2, class: className });

export const pointList = (points: readonly (readonly [number, number])[]): string =>
  points.map(([x, y]) => `${place(x)},${place(y)}`).join(' ');

/** A path along the steps `upper` from left to right and back along `lower`; `edges` has one place more than each. */
export function stepsBetween(
  edges: readonly number[],
  upper: readonly number[],
  lower: readonly number[],
): string {
  const there = upper.map((y, i) => `V${place(y)}H${place(edges[i + 1]!)}`);
  const back = lower.map((y, i) => `V${place(y)}H${place(edges[i]!)}`).reverse();
  return `M${place(edges[0]!)} ${place(lower[0]!)}${there.join('')}${back.join('')}Z`;
}

/** A tenth of a pixel is enough. */
function place(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`a place in a drawing is ${value}`);
  return `${Math.round(value * 10) / 10 + 0}`;
}

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!);

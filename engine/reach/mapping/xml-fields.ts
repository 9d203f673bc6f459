/**
 * XML fields: the texts of an XML document's innermost elements, read in one pass over a document that nobody checked.
 * Documents with a DOCTYPE are refused, so there are no entities but the five that every document has; comments and
 * instructions are skipped; nesting is not followed.
 */

export interface XmlVisitor {
  /** An element begins. `name` is without its namespace. */
  onOpen?(name: string): void;
  /** An element that holds only text ended. */
  onText?(name: string, text: string): void;
  onClose?(name: string): void;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
const ESCAPES: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '&': '&amp;',
};
/** A router's description has about 300. */
const MAX_TAGS = 10_000;
const MAX_TEXT_CHARACTERS = 1_024;

/** @returns false when the document is not XML as a router may send it: cut short, with a DOCTYPE, or too long */
export function visitXml(document: string, visitor: XmlVisitor): boolean {
  /** The element that began last, while nothing but text came since. */
  let open: string | undefined;
  let textAt = 0;
  let at = document.indexOf('<');
  for (let tags = 0; at >= 0; tags++) {
    if (tags === MAX_TAGS || document.startsWith('<!DOCTYPE', at)) return false;
    const isComment = document.startsWith('<!--', at);
    const end = document.indexOf(isComment ? '-->' : '>', at);
    if (end < 0) return false;
    const tag = isComment ? '' : document.slice(at + 1, Math.min(end, at + 1 + MAX_TEXT_CHARACTERS));
    if (tag.startsWith('/')) {
      const name = localName(tag.slice(1));
      if (name === open) visitor.onText?.(name, unescaped(document.slice(textAt, at)));
      visitor.onClose?.(name);
      open = undefined;
    } else if (!isComment && !tag.startsWith('?') && !tag.startsWith('!')) {
      open = localName(tag);
      textAt = end + 1;
      visitor.onOpen?.(open);
      if (document[end - 1] === '/') {
        visitor.onText?.(open, '');
        visitor.onClose?.(open);
        open = undefined;
      }
    }
    at = document.indexOf('<', end);
  }
  return true;
}

export const escapeXml = (text: string): string => text.replace(/[<>"'&]/g, (char) => ESCAPES[char] ?? '');

const unescaped = (text: string): string =>
  text
    .slice(0, MAX_TEXT_CHARACTERS)
    .trim()
    .replace(/&(lt|gt|quot|apos|amp);/g, (_all, name: string) => ENTITIES[name] ?? '');

/** `s:Body x="1"` → `Body`. */
function localName(tag: string): string {
  const end = tag.search(/[\s/>]/);
  const name = end < 0 ? tag : tag.slice(0, end);
  return name.slice(name.indexOf(':') + 1);
}

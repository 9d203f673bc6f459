/** Table: rows of text in aligned columns. */

/** The first column is words, the others are figures. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? '';
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

export const seconds = (value: number): string => value.toFixed(2);
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
/** A dash where there is nothing to compare with. */
export const ratio = (value: number, base: number | undefined): string =>
  base === undefined || base === 0 ? '–' : `${(value / base).toFixed(2)} ×`;

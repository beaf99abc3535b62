// What does console.table draw?

import { inspect } from "./inspect.js";

export function table(data, columns) {
  const rows = data instanceof Map ? [...data] : Object.entries(data);
  const names = new Set();
  let plain = false; // whether some row is no object, and so has a column of its own
  for (const [, row] of rows) {
    if (typeof row === "object" && row !== null) for (const name of columns ?? Object.keys(row)) names.add(name);
    else plain = true;
  }
  const head = ["(index)", ...names, ...(plain ? ["Values"] : [])];
  const body = rows.map(([index, row]) => {
    const object = typeof row === "object" && row !== null;
    const cells = [...names].map((name) => (object && Object.hasOwn(row, name) ? shown(row[name]) : ""));
    return [`${index}`, ...cells, ...(plain ? [object ? "" : shown(row)] : [])];
  });
  const widths = head.map((name, at) => Math.max(name.length, ...body.map((cells) => cells[at].length)) + 2);
  const line = (left, between, right) => left + widths.map((width) => "─".repeat(width)).join(between) + right;
  const written = (cells) => `│${cells.map((cell, at) => ` ${cell}`.padEnd(widths[at])).join("│")}│`;
  return [line("┌", "┬", "┐"), written(head), line("├", "┼", "┤"), ...body.map(written), line("└", "┴", "┘")].join("\n");
}

const shown = (value) => inspect(value, { depth: 0, breakLength: Infinity });

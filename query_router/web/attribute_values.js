// Which attributes the found items have, and which of them are worth a filter of their own.

import { isIdentifier } from "/web/format.js";

const MOST_ATTRIBUTES = 200;
const MOST_VALUES = 200;
const MOST_SHOWN = 16;
const seen = new Map();

/** Remember the attributes of these found items. */
export function rememberAttributes(items) {
  for (const { attributes } of items)
    for (const [key, value] of Object.entries(attributes ?? {}))
      for (const one of Array.isArray(value) ? value : [value]) remember(key, one);
}

function remember(key, value) {
  const kind = typeof value;
  if (!["string", "number", "boolean"].includes(kind) || isIdentifier(key)) return;
  if (!seen.has(key)) {
    if (seen.size >= MOST_ATTRIBUTES) return;
    seen.set(key, { string: new Map(), number: { count: 0, least: Infinity, most: -Infinity }, boolean: 0 });
  }
  const of = seen.get(key);
  if (kind === "boolean") of.boolean += 1;
  else if (kind === "number") {
    of.number.count += 1;
    of.number.least = Math.min(of.number.least, value);
    of.number.most = Math.max(of.number.most, value);
  } else if (of.string.has(value) || of.string.size < MOST_VALUES)
    of.string.set(value, (of.string.get(value) ?? 0) + 1);
}

/**
 * What to offer: {key, kind: "choice", values} for strings that repeat, {key, kind: "range", least, most} for numbers,
 * {key, kind: "switch"} for yes or no.
 */
export function facets() {
  const found = [];
  for (const [key, of] of seen) {
    if (of.boolean > 0) found.push({ key, kind: "switch" });
    if (of.number.count > 0 && of.number.least < of.number.most) found.push({ key, kind: "range", ...of.number });
    const repeated = [...of.string.values()].reduce((sum, count) => sum + count, 0) >= 1.5 * of.string.size;
    if (of.string.size > 1 && repeated && of.string.size <= 2 * MOST_SHOWN) {
      const values = [...of.string]
        .sort((left, right) => right[1] - left[1])
        .slice(0, MOST_SHOWN)
        .map(([value]) => value);
      found.push({ key, kind: "choice", values: values.sort((left, right) => left.localeCompare(right)) });
    }
  }
  const order = ["choice", "range", "switch"];
  return found.sort((left, right) => order.indexOf(left.kind) - order.indexOf(right.kind));
}

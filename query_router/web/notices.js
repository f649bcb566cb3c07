// What is wrong at the moment, said plainly; each notice stays for as long as it is true.

import { byId, h } from "/web/dom.js";

// While this one is true, the others only repeat it.
export const UNREACHABLE = "unreachable";
const current = new Map();

/** Say this under a name, or take back what was said under it (`text` null). Levels: warn, error. */
export function notice(name, text, level = "warn") {
  const before = current.get(name);
  if ((before?.text ?? null) === text) return;
  if (text === null) current.delete(name);
  else current.set(name, { text, level });
  const said = current.has(UNREACHABLE) ? [[UNREACHABLE, current.get(UNREACHABLE)]] : [...current];
  byId("notices").replaceChildren(
    ...said.map(([key, one]) => h("p", { className: `notice ${one.level}`, data: { notice: key } }, one.text)),
  );
}

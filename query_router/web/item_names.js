// The names of items of which only the id is known: asked for a few at a time, and remembered.

import { item } from "/web/api.js";
import { nameOf } from "/web/format.js";

const MOST_REMEMBERED = 500;
const MOST_WAITING = 64;
const AT_ONCE = 3;
const PAUSE_MS = 50;
const names = new Map();
let waiting = [];
let asking = 0;

/**
 * Put the item's name in place of its id in `element`, as it is known at `moment` or later; null for an item that is
 * gone, whose name is the one it had. A burst is cut to its newest: the others stay under their ids.
 */
export function showName(element, itemId, moment) {
  const known = names.get(itemId);
  if (known !== undefined) element.textContent = known.name;
  if (moment === null || known?.moment >= moment) return;
  waiting.push({ element, itemId, moment });
  waiting = waiting.slice(-MOST_WAITING);
  while (asking < AT_ONCE && asking < waiting.length) ask();
}

async function ask() {
  asking += 1;
  while (waiting.length > 0) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    const next = waiting.pop();
    if (next?.element.isConnected) await nameOne(next);
  }
  asking -= 1;
}

async function nameOne({ element, itemId, moment }) {
  if (!(names.get(itemId)?.moment >= moment)) {
    const found = await item(itemId).catch(() => null);
    if (found === null) return;
    remember(itemId, { name: nameOf(itemId, found.attributes), moment });
  }
  element.textContent = names.get(itemId).name;
}

function remember(itemId, named) {
  names.delete(itemId);
  names.set(itemId, named);
  if (names.size > MOST_REMEMBERED) names.delete(names.keys().next().value);
}

// The strip of what just became searchable, each with its measured delay from event to searchable.

import { imageUrl } from "/web/api.js";
import { byId, h, picture } from "/web/dom.js";
import { delayText, plural } from "/web/format.js";
import { showName } from "/web/item_names.js";

const MOST_SHOWN = 30;
const MOST_DELAYS = 50;
const MOST_TOLD = 400;
const KINDS = { new: "new", picture: "new picture", attributes: "changed", deleted: "withdrawn" };
const shown = new Map();
const delays = [];
const told = new Set();
let waiting = [];
let paused = false;
let pick = () => {};

/** `hear` is told the id of the item that is clicked. */
export function startStrip(hear) {
  pick = hear;
  const strip = byId("live");
  byId("live-pause").addEventListener("click", () => {
    paused = !paused;
    byId("live-pause").setAttribute("aria-pressed", String(paused));
    strip.classList.toggle("paused", paused);
    flush();
  });
  // Nothing moves under a pointer or away from the keyboard's focus.
  byId("live-list").addEventListener("pointerleave", () => setTimeout(flush));
  byId("live-list").addEventListener("focusout", () => setTimeout(flush));
}

/** Take the next changes, oldest first. */
export function addToStrip(items) {
  waiting.push(...items.filter(isUntold));
  waiting = waiting.slice(-4 * MOST_SHOWN);
  flush();
}

/** Whether the feed is heard: the dot is quiet while it is not. */
export const markStrip = (heard) => byId("live").classList.toggle("lost", !heard);

/** A feed that begins again repeats what it remembers. */
function isUntold(news) {
  const name = JSON.stringify([news.item_id, news.kind, news.searchable_at]);
  if (told.has(name)) return false;
  told.add(name);
  if (told.size > MOST_TOLD) told.delete(told.values().next().value);
  return true;
}

const isHeld = () => paused || byId("live-list").matches(":hover, :focus-within:has(a:focus)");

function flush() {
  if (isHeld() || waiting.length === 0) return;
  const list = byId("live-list");
  for (const news of waiting) add(list, news);
  waiting = [];
  while (list.children.length > MOST_SHOWN) {
    shown.delete(list.lastElementChild.dataset.change);
    list.lastElementChild.remove();
  }
  byId("live-empty").hidden = true;
  showFigure();
}

/** An upsert with a picture shows twice, attributes first: both are one change, told once, with its full delay. */
function add(list, news) {
  const change = JSON.stringify([news.item_id, news.event_time]);
  shown.get(change)?.remove();
  const element = entry(news, change);
  shown.set(change, element);
  list.prepend(element);
  delays.push(news.delay_ms);
  if (delays.length > MOST_DELAYS) delays.shift();
}

function entry(news, change) {
  const kind = KINDS[news.kind] ?? news.kind;
  const name = h("span", { className: "entry-name" }, news.item_id);
  showName(name, news.item_id, news.kind === "deleted" ? null : news.searchable_at);
  const words = h(
    "span",
    { className: "entry-words" },
    name,
    h("span", { className: "entry-kind" }, kind),
    h("span", { className: "entry-delay" }, delayText(news.delay_ms)),
  );
  const properties = { className: `entry kind-${news.kind}`, data: { change, item: news.item_id } };
  if (news.kind === "deleted")
    return h(
      "li",
      properties,
      h("span", { className: "entry-body" }, h("span", { className: "picture missing" }), words),
    );
  const link = h(
    "a",
    { className: "entry-body", href: `?item=${encodeURIComponent(news.item_id)}` },
    picture(imageUrl(news.item_id, news.searchable_at, 128), "", 52),
    words,
  );
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    pick(news.item_id);
  });
  return h("li", properties, link);
}

function showFigure() {
  const sorted = [...delays].sort((left, right) => left - right);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  byId("live-figure").textContent =
    `typically ${delayText(median)} from change to searchable (median of ${plural(sorted.length, "change")})`;
}

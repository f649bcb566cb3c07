// The found items as cards, kept true while the catalogue changes.

import { imageUrl, item } from "/web/api.js";
import { byId, h, picture } from "/web/dom.js";
import { delayText, isIdentifier, isName, label, nameOf, valueText } from "/web/format.js";
import { showName } from "/web/item_names.js";

const MOST_ATTRIBUTES = 5;
const SKELETONS = 8;
const cards = new Map();
let kept = null;
let pick = () => {};

/** `hear` is told the id of the item that is clicked. */
export function startResults(hear) {
  pick = hear;
}

/** Show that an answer is awaited; what is shown now is kept until there is one. */
export function showSkeletons() {
  const list = byId("results");
  kept ??= { shown: [...cards], elements: [...list.children] };
  cards.clear();
  list.setAttribute("aria-busy", "true");
  list.replaceChildren(
    ...Array.from({ length: SKELETONS }, () =>
      h(
        "li",
        { className: "card skeleton", aria: { hidden: "true" } },
        h("span", { className: "picture" }),
        h("span", { className: "bar" }),
        h("span", { className: "bar short" }),
      ),
    ),
  );
}

/** Show again what was shown before an answer was awaited that does not come. */
export function showKept() {
  if (kept === null) return;
  cards.clear();
  for (const [itemId, card] of kept.shown) cards.set(itemId, card);
  const list = byId("results");
  list.setAttribute("aria-busy", "false");
  list.replaceChildren(...kept.elements);
  kept = null;
}

/** Show these hits, in place of or after those shown. */
export function showResults(hits, append = false) {
  const list = byId("results");
  list.setAttribute("aria-busy", "false");
  kept = null;
  if (!append) {
    cards.clear();
    list.replaceChildren();
  }
  for (const hit of hits) {
    if (cards.has(hit.item_id)) continue;
    const card = cardOf(hit);
    cards.set(hit.item_id, card);
    list.append(card.element);
  }
}

/** How many items are shown. */
export const shownCount = () => cards.size;

/** Bring a shown item up to date with what just became searchable. */
export async function refreshShown(news) {
  const card = cards.get(news.item_id);
  if (card === undefined || card.at >= news.searchable_at) return;
  card.at = news.searchable_at;
  if (news.kind === "deleted") {
    card.element.classList.add("gone");
    card.said.textContent = `withdrawn, gone from searches after ${delayText(news.delay_ms)}`;
    return;
  }
  const now = await item(news.item_id).catch(() => null);
  if (now === null || cards.get(news.item_id) !== card) return;
  card.element.classList.remove("gone");
  card.said.textContent = `${news.kind === "picture" ? "new picture" : "changed"}, searchable after ${delayText(news.delay_ms)}`;
  if (news.kind !== "attributes") card.frame = replaced(card.frame, pictureOf(news.item_id, news.searchable_at));
  card.facts = replaced(card.facts, factsOf(now.attributes, card.attributes));
  card.attributes = now.attributes;
  card.name.textContent = nameOf(news.item_id, now.attributes);
}

/** A card for an item without a score, to begin with. */
export function sampleCard(itemId, moment) {
  const link = linkTo(itemId, itemId);
  showName(link, itemId, moment);
  return h(
    "li",
    { className: "card sample", data: { item: itemId } },
    pictureOf(itemId, moment),
    h("div", { className: "words" }, link),
  );
}

function cardOf(hit) {
  const attributes = hit.attributes ?? {};
  const name = linkTo(hit.item_id, nameOf(hit.item_id, attributes));
  const frame = pictureOf(hit.item_id, "");
  const facts = factsOf(attributes, attributes);
  const said = h("p", { className: "said" });
  const element = h(
    "li",
    { className: "card", data: { item: hit.item_id } },
    frame,
    h("div", { className: "words" }, name, scoreOf(hit.score), facts, said),
  );
  return { element, name, frame, facts, said, attributes, at: "" };
}

const pictureOf = (itemId, moment) => picture(imageUrl(itemId, moment), "", 320);

function linkTo(itemId, text) {
  const link = h(
    "a",
    {
      className: "name",
      href: `?item=${encodeURIComponent(itemId)}`,
      title: `Look-alikes of ${itemId}`,
      data: { item: itemId },
    },
    text,
  );
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    pick(itemId);
  });
  return link;
}

function scoreOf(score) {
  const full = h("span", { className: "score-full" });
  full.style.width = `${100 * Math.min(Math.max(score, 0), 1)}%`;
  const text = `${score.toFixed(3)}`;
  return h(
    "p",
    { className: "score", title: "cosine similarity" },
    h("span", { className: "visually-hidden" }, "score "),
    h("span", { className: "score-number" }, text),
    h("span", { className: "score-track", aria: { hidden: "true" } }, full),
  );
}

/** The first few attributes, numbers and yes or no first; those that differ from `before` are marked. */
function factsOf(attributes, before) {
  const shown = Object.entries(attributes).filter(([key]) => !isName(key, attributes));
  const rank = ([, value]) => ({ number: 0, boolean: 1 })[typeof value] ?? 2;
  const ranked = shown.filter(([key]) => !isIdentifier(key)).sort((left, right) => rank(left) - rank(right));
  const rows = ranked.slice(0, MOST_ATTRIBUTES).map(([key, value]) => {
    const fresh = JSON.stringify(value) !== JSON.stringify(before[key]);
    return h(
      "div",
      { className: fresh ? "fact fresh" : "fact" },
      h("dt", {}, label(key)),
      h("dd", {}, valueText(key, value)),
    );
  });
  const facts = h("dl", { className: "facts" }, ...rows);
  facts.title = shown.map(([key, value]) => `${label(key)}: ${valueText(key, value)}`).join("\n");
  return facts;
}

function replaced(old, next) {
  old.replaceWith(next);
  return next;
}

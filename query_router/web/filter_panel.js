// The filter: one JSON object, edited by the offered attributes or as text. Both show the same filter.

import { facets } from "/web/attribute_values.js";
import { byId, h } from "/web/dom.js";
import { label, shortened } from "/web/format.js";

let filter = {};
let changed = () => {};

/** `hear` is told the filter each time a person changes it. */
export function startFilterPanel(hear) {
  changed = hear;
  byId("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const parsed = parse(byId("filter-json").value);
    byId("filter-error").textContent = typeof parsed === "string" ? parsed : "";
    if (typeof parsed !== "string") change(parsed);
  });
  byId("filter-clear").addEventListener("click", () => change({}));
}

/** Show this filter, and the attributes known by now. */
export function showFilter(next) {
  filter = next;
  const count = Object.keys(filter).length;
  byId("filter-json").value = count > 0 ? JSON.stringify(filter) : "";
  byId("filter-error").textContent = "";
  byId("filter-count").textContent = String(count);
  byId("filter-count").hidden = count === 0;
  showFacets();
}

/** Say what the router refused about the filter, which stays to be mended while `good` goes on being applied. */
export function refuseFilter(text, good) {
  const written = byId("filter-json").value;
  showFilter(good);
  byId("filter-json").value = written;
  byId("filters").open = true;
  byId("filter-error").textContent = text;
}

/** Offer the attributes known by now; whoever is typing in one of them is left alone. */
export function showFacets() {
  const panel = byId("facets");
  if (panel.contains(document.activeElement) && document.activeElement.matches("input[type=number]")) return;
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  const known = facets();
  panel.replaceChildren(...known.map((facet) => ({ choice, range, switch: yesOrNo })[facet.kind](facet)));
  if (known.length === 0)
    panel.append(h("p", { className: "hint" }, "What the found items can be filtered by shows here after a search."));
  if (focused !== undefined)
    [...panel.querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === focused)?.focus();
}

function change(next) {
  showFilter(next);
  changed(filter);
}

const conditionOn = (key) => (Object.hasOwn(filter, key) ? filter[key] : undefined);

function put(key, condition) {
  const { [key]: _, ...rest } = filter;
  change(condition === undefined ? rest : { ...rest, [key]: condition });
}

function parse(text) {
  if (text.trim() === "") return {};
  try {
    const parsed = JSON.parse(text);
    if (parsed !== null && typeof parsed === "object" && !Array.isArray(parsed)) return parsed;
    return 'A filter is an object, such as {"price": {"lt": 50}}.';
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}

function group(key, ...children) {
  return h("fieldset", { data: { facet: key } }, h("legend", {}, label(key)), ...children);
}

function chip(key, text, pressed, toggle) {
  const button = h("button", { type: "button", className: "chip", data: { focus: JSON.stringify([key, text]) } }, text);
  button.setAttribute("aria-pressed", String(pressed));
  button.addEventListener("click", toggle);
  return button;
}

function choice({ key, values }) {
  const condition = conditionOn(key);
  const chosen = typeof condition === "string" ? [condition] : Array.isArray(condition?.in) ? condition.in : [];
  const chips = values.map((value) => {
    const on = chosen.includes(value);
    return chip(key, shortened(value), on, () => {
      const next = on ? chosen.filter((one) => one !== value) : [...chosen, value];
      put(key, next.length === 0 ? undefined : next.length === 1 ? next[0] : { in: next });
    });
  });
  return group(key, h("div", { className: "chips" }, ...chips));
}

function yesOrNo({ key }) {
  const chips = [true, false].map((value) =>
    chip(key, value ? "yes" : "no", conditionOn(key) === value, () =>
      put(key, conditionOn(key) === value ? undefined : value),
    ),
  );
  return group(key, h("div", { className: "chips" }, ...chips));
}

function range({ key, least, most }) {
  const condition = conditionOn(key) ?? {};
  const bounds = [
    ["gte", "at least", Math.floor(least)],
    ["lte", "at most", Math.ceil(most)],
  ];
  const inputs = bounds.map(([operator, words, hint]) => {
    const input = h("input", {
      type: "number",
      step: "any",
      placeholder: String(hint),
      value: condition[operator] ?? "",
    });
    input.setAttribute("aria-label", `${label(key)} ${words}`);
    input.addEventListener("change", () => {
      const now = conditionOn(key);
      const { [operator]: _, ...rest } = typeof now === "object" && now !== null ? now : {};
      const next = Number.isFinite(input.valueAsNumber) ? { ...rest, [operator]: input.valueAsNumber } : rest;
      put(key, Object.keys(next).length > 0 ? next : undefined);
    });
    return h("label", {}, h("span", {}, words), input);
  });
  return group(key, h("div", { className: "range" }, ...inputs));
}

// Building elements. Text only ever becomes text: item ids and attributes are somebody else's input.

export const byId = (id) => document.getElementById(id);

/** An element with properties, `data` and `aria` attributes, and children that are nodes or text. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, aria = {}, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The picture of an item; what cannot be shown becomes a quiet placeholder. */
export function picture(src, alt, size) {
  const image = h("img", { alt, width: size, height: size, loading: "lazy", decoding: "async" });
  const frame = h("span", { className: "picture" }, image);
  image.addEventListener("load", () => frame.classList.add("loaded"));
  image.addEventListener("error", () => frame.classList.add("missing"));
  image.src = src;
  return frame;
}

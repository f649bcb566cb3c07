// What is looked for, in the page's address: an item and a filter can be shared; a photo stays on this device.

const MOST_PHOTOS = 8;
const photos = new Map();

/** The item's id (or undefined), the filter and the crop's photo that the address names. */
export function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const photo = photos.get(history.state?.photo);
  return {
    itemId: parameters.get("item") ?? undefined,
    filter: filterIn(parameters.get("filter")),
    photo,
    crop: history.state?.crop ?? null,
  };
}

/** Put what is looked for into the address: as a new entry, or in place of the present one. */
export function writeAddress({ itemId, photo, crop, filter }, asNew) {
  const parameters = new URLSearchParams();
  if (itemId !== undefined) parameters.set("item", itemId);
  if (Object.keys(filter).length > 0) parameters.set("filter", JSON.stringify(filter));
  const text = parameters.toString();
  const url = text === "" ? location.pathname : `?${text}`;
  const state = { photo: photo ? keyOf(photo) : null, crop };
  history[asNew ? "pushState" : "replaceState"](state, "", url);
}

function keyOf(photo) {
  for (const [key, known] of photos) if (known === photo) return key;
  const key = crypto.getRandomValues(new Uint32Array(2)).join("-");
  photos.set(key, photo);
  if (photos.size > MOST_PHOTOS) photos.delete(photos.keys().next().value);
  return key;
}

function filterIn(text) {
  try {
    const filter = JSON.parse(text ?? "{}");
    return filter !== null && typeof filter === "object" && !Array.isArray(filter) ? filter : {};
  } catch {
    return {};
  }
}

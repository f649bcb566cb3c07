// The router's HTTP API, as this page uses it.

/** What the router refused, or that it could not be reached (`status` 0). */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Where an item's picture is; `moment` changes with its content, so that a replaced one is not taken from a cache. */
export function imageUrl(itemId, moment = "", size = 512) {
  const url = `/v1/items/${encodeURIComponent(itemId)}/image?size=${size}`;
  return moment === "" ? url : `${url}&v=${encodeURIComponent(moment)}`;
}

/** Search with a photo (a Blob) and its crop, or with an item's id. */
export function search({ photo, itemId, crop, filter, k, offset }, signal) {
  const query = { k, offset };
  if (Object.keys(filter).length > 0) query.filter = filter;
  if (itemId !== undefined) {
    const body = JSON.stringify({ ...query, item_id: itemId });
    return ask("/v1/search", { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
  }
  if (crop) query.crop = crop;
  const body = new FormData();
  body.append("image", photo);
  body.append("query", JSON.stringify(query));
  return ask("/v1/search", { method: "POST", body, signal });
}

/** One item as it can be found now; null when it cannot. */
export async function item(itemId) {
  try {
    return await ask(`/v1/items/${encodeURIComponent(itemId)}`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Whether the router answers, and why it is not ready (null when it is). */
export async function readiness() {
  try {
    await ask("/readyz");
    return { reached: true, reason: null };
  } catch (error) {
    return { reached: error.status !== 0, reason: error.message };
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The router cannot be reached.");
  }
  let body;
  try {
    body = await response.json();
  } catch {
    body = null;
  }
  if (response.ok && body !== null) return body;
  const error = body?.error ?? {};
  throw new ApiError(
    response.status,
    error.code ?? "unknown",
    error.message ?? `The router answered ${response.status}.`,
  );
}

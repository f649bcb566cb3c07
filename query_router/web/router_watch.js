// What the router says of itself: whether it is there, whether it is ready, which shards it lacks.

import { readiness } from "/web/api.js";
import { plural, shortened } from "/web/format.js";
import { notice, UNREACHABLE } from "/web/notices.js";

const READY_MS = 5000;
const GONE =
  "lookalive does not answer: if it was stopped, start it again in its terminal. This page then goes on by itself.";
let timer = null;

/** Look now, and then now and again. */
export async function lookAtRouter() {
  clearTimeout(timer);
  const look = document.hidden ? null : await readiness();
  if (look !== null) {
    notice(UNREACHABLE, look.reached ? null : GONE, "error");
    notice("ready", look.reached && look.reason !== null ? `Not ready: ${look.reason}` : null);
  }
  clearTimeout(timer);
  timer = setTimeout(lookAtRouter, look === null || look.reason === null ? READY_MS : READY_MS / 5);
}

/** Say which shards the live feed does not hear of. */
export function sayUnserved({ shards, unserved, silent }) {
  const nodes =
    silent.length > 0 ? ` (${plural(silent.length, "node")} silent: ${silent.map(shortened).join(", ")})` : "";
  notice(
    "live-shards",
    unserved.length > 0
      ? `${unserved.length} of ${plural(shards, "shard")} cannot be reached${nodes}: searches lack their items.`
      : null,
  );
}

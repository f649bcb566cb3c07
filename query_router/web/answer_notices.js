// What an answer lacks, or why there is none, in sentences.

import { plural, shortened } from "/web/format.js";
import { notice } from "/web/notices.js";

// What the page calls a photo that the router refuses, by the refusal's code.
const REFUSED = {
  image_unsupported: "This is not a picture",
  image_corrupt: "This picture is damaged",
  image_blank: "This picture shows nothing",
  image_too_large: "This picture is too large",
  too_large: "This picture is too large",
};

/** What to call the photo that this error refuses; undefined when it is not the photo that is wrong. */
export const refusedPhoto = (error) => REFUSED[error.code];

/** Say why there is no answer. */
export function sayFailure(error) {
  const text =
    error.code === "no_embedder"
      ? `Photos cannot be searched with at the moment (no_embedder): ${error.message}`
      : error.message;
  notice("answer-failed", text, "error");
}

/** Take back what was said of the answer before. */
export function unsayAnswer() {
  for (const name of ["answer-shards", "answer-degraded", "answer-warnings", "answer-failed"]) notice(name, null);
}

/** Say what this answer lacks. */
export function sayLacks({ shards, degraded, warnings }) {
  const missing = shards.total - shards.ok;
  const why = [
    shards.failed > 0 ? `${shards.failed} failed` : "",
    shards.timed_out > 0 ? `${shards.timed_out} too late` : "",
  ]
    .filter(Boolean)
    .join(", ");
  notice(
    "answer-shards",
    missing > 0
      ? `${missing} of ${plural(shards.total, "shard")} did not answer (${why}): their items are missing from these results.`
      : null,
  );
  notice("answer-degraded", degradedText(degraded));
  notice("answer-warnings", warnings.length > 0 ? `${warnings.map(shortened).join("; ")}.` : null);
  notice("answer-failed", null);
}

function degradedText(degraded) {
  if (degraded === null || degraded === "no_shards") return null;
  if (degraded === "no_embedder")
    return "Photos cannot be read at the moment (no_embedder): these items are popular ones, not look-alikes.";
  return `The answer is degraded: ${shortened(degraded)}.`;
}

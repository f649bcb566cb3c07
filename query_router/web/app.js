// The page: what is looked for, and everything that follows from a change of it.

import { readAddress, writeAddress } from "/web/address.js";
import { imageUrl, item, reasonsNotReady, search } from "/web/api.js";
import { rememberAttributes } from "/web/attribute_values.js";
import { CropFrame } from "/web/crop.js";
import { byId, h, picture } from "/web/dom.js";
import { filterError, showFacets, showFilter, startFilterPanel } from "/web/filter_panel.js";
import { nameOf, plural, shortened } from "/web/format.js";
import { startLiveFeed } from "/web/live_feed.js";
import { addToStrip, markStrip, startStrip } from "/web/live_strip.js";
import { notice } from "/web/notices.js";
import { listenForPhotos } from "/web/photo_input.js";
import { refreshShown, sampleCard, showResults, showSkeletons, shownCount, startResults } from "/web/results.js";

const PAGE = 24;
const MOST_OFFSET = 10_000;
const MOST_SAMPLES = 8;
const READY_MS = 5000;
const CROP_PAUSE_MS = 250;

const wanted = { photo: undefined, itemId: undefined, crop: null, filter: {} };
let running = null;
let partial = false;
let cropFrame = null;
let cropTimer = null;
let photoUrl = null;
let itemName = "";

const lookedFor = () => wanted.photo !== undefined || wanted.itemId !== undefined;

/** Look for something else; the address and everything shown follow. */
function look(change, asNew = true) {
  Object.assign(wanted, change);
  writeAddress(wanted, asNew);
  showQuery();
  runSearch();
}

const lookForPhoto = (photo) => look({ photo, itemId: undefined, crop: null });

function lookForItem(itemId) {
  look({ photo: undefined, itemId, crop: null });
  byId("headline").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}

// --- the query

function showQuery() {
  const stage = byId("stage");
  stage.replaceChildren();
  cropFrame = null;
  if (photoUrl !== null) URL.revokeObjectURL(photoUrl);
  photoUrl = null;
  stage.hidden = !lookedFor();
  byId("query-tools").hidden = !lookedFor();
  byId("drop-label").hidden = lookedFor();
  byId("crop-button").hidden = wanted.photo === undefined;
  byId("crop-help").hidden = wanted.photo === undefined;
  if (wanted.photo !== undefined) showPhoto(stage);
  else if (wanted.itemId !== undefined) showItem(stage, wanted.itemId);
  showCropTools();
  showFilter(wanted.filter);
}

/** The item that is looked for: its picture, and its name as soon as it is known. */
async function showItem(stage, itemId) {
  const name = h("p", { className: "stage-name" }, itemId);
  stage.append(picture(imageUrl(itemId), "", 320), name);
  itemName = itemId;
  const found = await item(itemId).catch(() => null);
  if (wanted.itemId !== itemId || found === null) return;
  itemName = nameOf(itemId, found.attributes);
  name.textContent = itemName;
  byId("headline").textContent = headline();
}

function showPhoto(stage) {
  photoUrl = URL.createObjectURL(wanted.photo);
  const image = h("img", { alt: "Your photo", src: photoUrl, draggable: false });
  const surface = h("div", { className: "surface" }, image);
  image.addEventListener("error", () => {
    surface.classList.add("unseen");
    surface.append(
      h("p", { className: "hint" }, "This browser cannot show this picture; it may be searchable all the same."),
    );
  });
  stage.append(surface);
  cropFrame = new CropFrame(surface, (crop) => {
    wanted.crop = crop;
    showCropTools();
    clearTimeout(cropTimer);
    cropTimer = setTimeout(() => {
      writeAddress(wanted, false);
      runSearch();
    }, CROP_PAUSE_MS);
  });
  cropFrame.set(wanted.crop);
}

function showCropTools() {
  byId("whole-button").hidden = wanted.crop === null;
}

// --- the answer

async function runSearch(append = false) {
  running?.abort();
  const mine = (running = new AbortController());
  byId("welcome").hidden = lookedFor();
  byId("more").hidden = true;
  if (!lookedFor()) {
    showResults([]);
    say("Which items look like this?", "");
    clearAnswerNotices();
    return;
  }
  if (!append) {
    showSkeletons();
    say(headline(), "Searching");
  }
  try {
    const offset = append ? shownCount() : 0;
    const answer = await search({ ...wanted, k: PAGE, offset }, mine.signal);
    if (mine.signal.aborted) return;
    showAnswer(answer, append);
  } catch (error) {
    if (error.name !== "AbortError" && !mine.signal.aborted) showFailure(error);
  }
}

function showAnswer(answer, append) {
  rememberAttributes(answer.items);
  showResults(answer.items, append);
  showFacets();
  const { shards } = answer;
  partial = shards.ok < shards.total;
  const found = shownCount() === 0 ? nothingFound(answer) : plural(shownCount(), "item");
  say(
    headline(),
    [found, `${Math.round(answer.took_ms)} ms`, partial ? `${shards.ok} of ${shards.total} shards answered` : ""]
      .filter(Boolean)
      .join(" · "),
  );
  byId("more").hidden = answer.items.length < PAGE || shownCount() + PAGE > MOST_OFFSET;
  showDegraded(answer);
}

function nothingFound(answer) {
  if (answer.shards.ok === 0) return "No answer";
  return Object.keys(wanted.filter).length > 0 ? "Nothing passes this filter" : "The catalogue has nothing to show yet";
}

function showDegraded({ shards, degraded, warnings }) {
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

function showFailure(error) {
  showResults([]);
  const text =
    error.code === "no_embedder"
      ? `Photos cannot be searched with at the moment (no_embedder): ${error.message}`
      : error.message;
  say(headline(), "No answer");
  clearAnswerNotices();
  if (error.code === "bad_filter") filterError(error.message);
  else notice("answer-failed", text, "error");
  partial = error.status === 503 || error.status === 0;
}

function clearAnswerNotices() {
  for (const name of ["answer-shards", "answer-degraded", "answer-warnings", "answer-failed"]) notice(name, null);
}

function headline() {
  if (wanted.photo !== undefined)
    return wanted.crop === null ? "Looks like your photo" : "Looks like the part of your photo";
  return `Looks like ${shortened(itemName)}`;
}

function say(title, summary) {
  byId("headline").textContent = title;
  byId("summary").textContent = summary;
}

// --- what the system says of itself

function heardLive({ items }) {
  addToStrip(items);
  items.forEach(refreshShown);
  for (const news of items) addSample(news);
}

function addSample(news) {
  const samples = byId("samples");
  const known = [...samples.children].find((card) => card.dataset.item === news.item_id);
  if (news.kind === "deleted") known?.remove();
  else if (known === undefined && samples.children.length < MOST_SAMPLES)
    samples.append(sampleCard(news.item_id, news.searchable_at));
  byId("samples-title").hidden = samples.children.length === 0;
}

function heardStatus({ shards, unserved, silent }) {
  const nodes =
    silent.length > 0 ? ` (${plural(silent.length, "node")} silent: ${silent.map(shortened).join(", ")})` : "";
  notice(
    "live-shards",
    unserved.length > 0
      ? `${unserved.length} of ${plural(shards, "shard")} cannot be reached${nodes}: searches lack their items.`
      : null,
  );
  if (unserved.length === 0 && shards > 0 && partial) runSearch();
}

async function lookAtReadiness() {
  const reasons = document.hidden ? null : await reasonsNotReady();
  if (reasons !== null) notice("ready", reasons.length > 0 ? `Not ready to search: ${reasons.join(" ")}` : null);
  setTimeout(lookAtReadiness, reasons?.length ? READY_MS / 5 : READY_MS);
}

// --- beginning

function followAddress() {
  Object.assign(wanted, readAddress());
  showQuery();
  runSearch();
}

function start() {
  startResults(lookForItem);
  startStrip(lookForItem);
  startFilterPanel((filter) => look({ filter }, false));
  listenForPhotos(lookForPhoto, (sentence) => notice("answer-failed", sentence));
  byId("crop-button").addEventListener("click", () => cropFrame?.start());
  byId("whole-button").addEventListener("click", () => {
    cropFrame?.set(null);
    look({ crop: null }, false);
    byId("crop-button").focus();
  });
  byId("other-button").addEventListener("click", () => byId("file").click());
  byId("clear-button").addEventListener("click", () => {
    look({ photo: undefined, itemId: undefined, crop: null });
    byId("file").focus();
  });
  byId("more").addEventListener("click", () => runSearch(true));
  window.addEventListener("popstate", followAddress);
  byId("filters").open = matchMedia("(min-width: 60rem)").matches;
  followAddress();
  startLiveFeed({
    heard: heardLive,
    status: heardStatus,
    lost: (sentence) => {
      markStrip(sentence === null);
      notice("live", sentence);
    },
  });
  lookAtReadiness();
}

start();

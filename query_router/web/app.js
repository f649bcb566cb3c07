// The page: what is looked for, and everything that follows from a change of it.

import { readAddress, writeAddress } from "/web/address.js";
import { refusedPhoto, sayFailure, sayLacks, unsayAnswer } from "/web/answer_notices.js";
import { imageUrl, item, search } from "/web/api.js";
import { rememberAttributes } from "/web/attribute_values.js";
import { CropFrame } from "/web/crop.js";
import { byId, h, picture } from "/web/dom.js";
import { refuseFilter, showFacets, showFilter, startFilterPanel } from "/web/filter_panel.js";
import { nameOf, plural, shortened } from "/web/format.js";
import { startLiveFeed } from "/web/live_feed.js";
import { addToStrip, markStrip, startStrip } from "/web/live_strip.js";
import { notice } from "/web/notices.js";
import { listenForPhotos } from "/web/photo_input.js";
import { lookAtRouter, sayUnserved } from "/web/router_watch.js";
import {
  refreshShown,
  sampleCard,
  showKept,
  showResults,
  showSkeletons,
  shownCount,
  startResults,
} from "/web/results.js";

const PAGE = 24;
const MOST_OFFSET = 10_000;
const MOST_SAMPLES = 8;
const CROP_PAUSE_MS = 250;

const wanted = { photo: undefined, itemId: undefined, crop: null, filter: {} };
let running = null;
let partial = false;
let cropFrame = null;
let cropTimer = null;
let photoUrl = null;
let photoSeen = true;
let photoRefused = false;
let itemName = "";
// What the shown results answer, and its summary; null while nothing is answered.
let answered = null;

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
  photoSeen = true;
  photoRefused = false;
  showPhotoTools();
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
    if (!surface.isConnected) return;
    photoSeen = false;
    surface.classList.add("unseen");
    surface.append(h("p", { id: "unseen-hint", className: "hint" }));
    showPhotoTools();
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

/** Only what is seen, and can be searched with, can be cropped. */
function showPhotoTools() {
  const usable = wanted.photo !== undefined && photoSeen && !photoRefused;
  byId("crop-button").hidden = !usable;
  byId("crop-help").hidden = !usable;
  const hint = byId("unseen-hint");
  if (hint !== null)
    hint.textContent = photoRefused
      ? "There is nothing to show: choose another photo."
      : "This browser cannot show this picture; it may be searchable all the same.";
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
    answered = null;
    say("Which items look like this?", "");
    unsayAnswer();
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
    answered = { ...wanted, summary: byId("summary").textContent, more: !byId("more").hidden };
  } catch (error) {
    if (error.name !== "AbortError" && !mine.signal.aborted) showFailure(error, append);
  }
}

function showAnswer(answer, append) {
  rememberAttributes(answer.items);
  showResults(answer.items, append);
  showFacets();
  const { shards } = answer;
  photoRefused = false;
  showPhotoTools();
  partial = shards.ok < shards.total;
  const found = shownCount() === 0 ? nothingFound(answer) : plural(shownCount(), "item");
  say(
    headline(),
    [found, `${Math.round(answer.took_ms)} ms`, partial ? `${shards.ok} of ${shards.total} shards answered` : ""]
      .filter(Boolean)
      .join(" · "),
  );
  byId("more").hidden = answer.items.length < PAGE || shownCount() + PAGE > MOST_OFFSET;
  sayLacks(answer);
}

function nothingFound(answer) {
  if (answer.shards.ok === 0) return "No answer";
  return Object.keys(wanted.filter).length > 0 ? "Nothing passes this filter" : "The catalogue has nothing to show yet";
}

function showFailure(error, append) {
  if (error.code === "bad_filter") return showBadFilter(error.message);
  if (append) return showNoMore(error);
  showResults([]);
  answered = null;
  const refused = wanted.photo !== undefined ? refusedPhoto(error) : undefined;
  // A crop that is refused can be moved; a whole photo cannot be helped.
  photoRefused = refused !== undefined && wanted.crop === null;
  showPhotoTools();
  say(refused ?? headline(), refused === undefined ? "No answer" : "");
  unsayAnswer();
  partial = error.status === 503 || error.status === 0;
  sayWhy(error);
}

/** What is shown stays shown, and can be asked to go on again. */
function showNoMore(error) {
  byId("more").hidden = false;
  sayWhy(error);
}

const sayWhy = (error) => (error.status === 0 ? lookAtRouter() : sayFailure(error));

/** What was found before stays, with the filter it was found by; the bad one waits in its box to be mended. */
function showBadFilter(message) {
  const sameQuery =
    answered !== null && ["photo", "itemId", "crop"].every((name) => Object.is(answered[name], wanted[name]));
  if (sameQuery) {
    showKept();
    wanted.filter = answered.filter;
    writeAddress(wanted, false);
    say(headline(), answered.summary);
    byId("more").hidden = !answered.more;
  } else {
    showResults([]);
    answered = null;
    say(headline(), "No answer");
    unsayAnswer();
  }
  refuseFilter(message, wanted.filter);
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
    status: (status) => {
      sayUnserved(status);
      if (status.unserved.length === 0 && status.shards > 0 && partial) runSearch();
    },
    lost: (sentence) => {
      markStrip(sentence === null);
      notice("live", sentence);
      lookAtRouter();
    },
  });
  lookAtRouter();
}

start();

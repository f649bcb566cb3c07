// The three ways a photo comes in: picked, dropped, pasted.

import { byId } from "/web/dom.js";

/** `taken` hears every photo; `refused` a sentence about what was none. */
export function listenForPhotos(taken, refused) {
  const input = byId("file");
  const take = (files) => {
    const photo = [...files].find((file) => file.type.startsWith("image/"));
    if (photo) taken(photo);
    else
      refused(
        files.length > 0 ? "That is not a picture." : "There is no picture in it: drop or paste the picture itself.",
      );
  };
  input.addEventListener("change", () => {
    if (input.files.length > 0) take(input.files);
    input.value = "";
  });
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.("input, textarea") || !event.clipboardData) return;
    if (event.clipboardData.files.length > 0) take(event.clipboardData.files);
    else refused("There is no picture in the clipboard.");
  });
  listenForDrops(take);
}

function listenForDrops(take) {
  const mark = (on) => document.body.classList.toggle("dropping", on);
  let depth = 0;
  const withFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (withFiles(event)) mark((depth += 1) > 0);
  });
  document.addEventListener("dragleave", (event) => {
    if (withFiles(event)) mark((depth = Math.max(depth - 1, 0)) > 0);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    mark(false);
    if (event.dataTransfer) take(event.dataTransfer.files);
  });
}

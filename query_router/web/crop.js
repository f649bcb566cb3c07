// A frame over a photo: dragged by mouse, pen or finger, moved and resized by keyboard.

import { h } from "/web/dom.js";

const SMALLEST = 0.05;
const STEP = 0.02;
const CORNERS = { nw: [0, 0], ne: [1, 0], sw: [0, 1], se: [1, 1] };
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class CropFrame {
  /** Lies over `surface`, an element of exactly the photo's size; `changed` hears the crop once a gesture ends. */
  constructor(surface, changed) {
    this.surface = surface;
    this.changed = changed;
    this.crop = null;
    this.drag = null;
    this.frame = h("div", { className: "crop", tabIndex: 0, hidden: true });
    this.frame.setAttribute("role", "group");
    this.frame.setAttribute("aria-label", "Crop");
    this.frame.setAttribute("aria-describedby", "crop-help");
    for (const corner of Object.keys(CORNERS)) this.frame.append(h("span", { className: "corner", data: { corner } }));
    surface.append(this.frame);
    surface.addEventListener("pointerdown", (event) => this.begin(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    surface.addEventListener("pointerup", (event) => this.end(event));
    surface.addEventListener("pointercancel", () => this.cancel());
    this.frame.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show this crop, {x, y, width, height} as fractions, or none (null). */
  set(crop) {
    this.crop = crop;
    this.frame.hidden = crop === null;
    if (crop === null) return;
    const style = this.frame.style;
    style.left = `${100 * crop.x}%`;
    style.top = `${100 * crop.y}%`;
    style.width = `${100 * crop.width}%`;
    style.height = `${100 * crop.height}%`;
    const percent = (value) => Math.round(100 * value);
    this.frame.setAttribute(
      "aria-label",
      `Crop: ${percent(crop.width)} by ${percent(crop.height)} percent, ${percent(crop.x)} from the left, ${percent(crop.y)} from the top`,
    );
  }

  /** A frame to begin with, for the keyboard. */
  start() {
    if (this.crop === null) {
      this.set({ x: 0.2, y: 0.2, width: 0.6, height: 0.6 });
      this.changed(this.crop);
    }
    this.frame.focus();
  }

  at(event) {
    const box = this.surface.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width, 0, 1), clamp((event.clientY - box.top) / box.height, 0, 1)];
  }

  begin(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    this.surface.setPointerCapture(event.pointerId);
    const from = this.at(event);
    const corner = event.target.dataset?.corner;
    if (corner !== undefined) {
      const { x, y, width, height } = this.crop;
      const [right, bottom] = CORNERS[corner];
      this.drag = { kind: "draw", before: this.crop, anchor: [right ? x : x + width, bottom ? y : y + height] };
    } else if (event.target === this.frame) {
      this.drag = { kind: "move", before: this.crop, from };
    } else {
      this.drag = { kind: "draw", before: this.crop, anchor: from };
    }
  }

  move(event) {
    if (this.drag === null) return;
    const [x, y] = this.at(event);
    if (this.drag.kind === "move") {
      const { before, from } = this.drag;
      this.set(moved(before, x - from[0], y - from[1]));
      return;
    }
    const [left, top] = this.drag.anchor;
    this.set({ x: Math.min(x, left), y: Math.min(y, top), width: Math.abs(x - left), height: Math.abs(y - top) });
  }

  end(event) {
    if (this.drag === null) return;
    this.move(event);
    const { before } = this.drag;
    this.drag = null;
    if (this.crop !== null && (this.crop.width < SMALLEST || this.crop.height < SMALLEST)) this.set(before);
    if (this.crop !== before) this.changed(this.crop);
  }

  cancel() {
    if (this.drag === null) return;
    this.set(this.drag.before);
    this.drag = null;
  }

  key(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [
      0, 0,
    ];
    if (event.key === "Escape" || event.key === "Delete" || event.key === "Backspace") this.set(null);
    else if (dx === 0 && dy === 0) return;
    else if (event.shiftKey) this.set(resized(this.crop, dx * STEP, dy * STEP));
    else this.set(moved(this.crop, dx * STEP, dy * STEP));
    event.preventDefault();
    this.changed(this.crop);
  }
}

function moved(crop, dx, dy) {
  return { ...crop, x: clamp(crop.x + dx, 0, 1 - crop.width), y: clamp(crop.y + dy, 0, 1 - crop.height) };
}

function resized(crop, dx, dy) {
  return {
    ...crop,
    width: clamp(crop.width + dx, SMALLEST, 1 - crop.x),
    height: clamp(crop.height + dy, SMALLEST, 1 - crop.y),
  };
}

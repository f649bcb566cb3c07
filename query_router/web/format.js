// Values as people read them.

const LONGEST = 80;
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 4 });
const NAMES = ["title", "name"];

/** What to call an item: its title where it has one, else its id. */
export function nameOf(itemId, attributes) {
  for (const key of NAMES) {
    const value = attributes?.[key];
    if (typeof value === "string" && value.trim() !== "") return value;
  }
  return itemId;
}

/** Whether this attribute is what `nameOf` shows. */
export const isName = (key, attributes) => NAMES.includes(key) && nameOf(null, attributes) === attributes[key];

/** Whether an attribute names a thing for machines: nobody filters by it or reads it on a card. */
export const isIdentifier = (key) => /(^|[_-])id$/i.test(key);

/** An attribute's name: `in_stock` reads "in stock". */
export const label = (key) => shortened(key.replaceAll("_", " "));

export function valueText(key, value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number")
    return /price|cost/i.test(key) && !Number.isInteger(value) ? value.toFixed(2) : number.format(value);
  if (typeof value === "string") return shortened(value);
  if (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object"))
    return shortened(value.map((one) => valueText(key, one)).join(", "));
  return shortened(JSON.stringify(value));
}

export function shortened(text) {
  const letters = [...text];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join("")}…` : text;
}

/** A delay: milliseconds below a second, then seconds, minutes, hours. */
export function delayText(ms) {
  const whole = Math.max(0, ms);
  if (whole < 999.5) return `${Math.round(whole)} ms`;
  if (whole < 9_950) return `${(whole / 1000).toFixed(1)} s`;
  if (whole < 99_500) return `${Math.round(whole / 1000)} s`;
  if (whole < 5_400_000) return `${Math.round(whole / 60_000)} min`;
  return `${Math.round(whole / 3_600_000)} h`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

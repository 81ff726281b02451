// What a reader may set, as one flat object, and as a part of the page's address: "#live-NAME:data=moons&K=3", several
// widgets apart by ";". A part without "=" is the name of a preset.

// A change of these starts the game again; all others are followed while it runs.
export const RESTARTING = ["data", "points", "noise", "waves", "width", "seed"];

export const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");

const write = (v) => (Array.isArray(v) ? v.map((x) => Math.round(100 * x)).join(",") : String(v));
function read(text, like) {
  if (Array.isArray(like)) return text.split(",").map((v) => Number(v) / 100).filter(Number.isFinite);
  if (typeof like === "boolean") return text === "true";
  if (typeof like === "number") return Number.isFinite(Number(text)) && text !== "" ? Math.max(0, Number(text)) : like;
  return text;
}

// What differs from the first state.
export const encode = (state, first) => Object.keys(first).filter((key) => write(state[key]) !== write(first[key]))
  .map((key) => `${key}=${encodeURIComponent(write(state[key]))}`).join("&");

export function decode(text, first, presets = {}) {
  const state = { ...first };
  for (const part of text.split("&").filter(Boolean)) {
    const [key, value] = part.split("=");
    const preset = Object.keys(presets).find((name) => slug(name) === slug(decodeURIComponent(key)));
    if (value === undefined && preset) Object.assign(state, presets[preset]);
    else if (value !== undefined && key in first) state[key] = read(decodeURIComponent(value), first[key]);
  }
  return state;
}

const parts = (hash) => hash.replace(/^#/, "").split(";").filter((part) => /^live-[a-z0-9-]+:/.test(part));

// A widget's own part of an address, or null.
export function ownPart(hash, name) {
  const start = `live-${name}:`;
  return parts(hash).find((part) => part.startsWith(start))?.slice(start.length) ?? null;
}
export const withPart = (hash, name, text) =>
  `#${[...parts(hash).filter((part) => !part.startsWith(`live-${name}:`)), ...(text ? [`live-${name}:${text}`] : [])].join(";")}`;

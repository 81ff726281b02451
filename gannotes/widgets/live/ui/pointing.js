// Pointing at a mark of a picture, with a pointer or with the arrow keys: what belongs to it is lit in all pictures.
import { scale } from "../../charts.js";
import { squareBox } from "./views.js";

const REACH = 16; // pixels

// The mark nearest to a place, of those at flat coordinates; null where none is within reach.
export function nearest(at, [a, b], reach) {
  let found = null, least = reach;
  for (let i = 0; i < at.length; i += 2) {
    const far = Math.hypot(at[i] - a, at[i + 1] - b);
    if (far < least) found = i / 2, least = far;
  }
  return found;
}

// `marks()` gives {at, window} or null; `light(k, keys)` hears the number of the mark, or null, and whether keys chose it.
export function pointing({ canvas, marks, light }) {
  let lit = null;
  const set = (k, keys = false) => {
    if (k === lit || (k !== null && canvas.classList.contains("gn-drawn"))) return; // a canvas to draw on
    lit = k;
    light(k, keys);
  };
  const point = (event) => {
    const found = marks(), b = canvas.getBoundingClientRect();
    if (!found) return;
    const { left, right, top, bottom, x, y } = squareBox(b.width, found.window), X = scale(x, left, right), Y = scale(y, bottom, top);
    set(nearest(found.at.map((v, i) => (i % 2 ? Y(v) : X(v))), [event.clientX - b.left, event.clientY - b.top], REACH));
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", () => set(null));
  canvas.addEventListener("blur", () => set(null));
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key], count = (marks()?.at.length ?? 0) / 2;
    if (event.key === "Escape") return set(null);
    if (!way || !count || canvas.classList.contains("gn-drawn")) return;
    event.preventDefault();
    set(lit === null ? 0 : (lit + way + count) % count, true);
  });
  canvas.title = "Point at a mark, or use the arrow keys: what belongs to it is lit.";
  canvas.tabIndex = 0;
  canvas.setAttribute("data-lm-suppress-shortcuts", "true");
}

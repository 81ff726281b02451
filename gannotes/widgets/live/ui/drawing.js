// Data that the reader draws: with a pointer, or with the arrow keys and the space bar.
import { clamp } from "../../numbers.js";
import { squareBox } from "./views.js";

const MOST = 200, NEAR = 0.08, REACH = 2.3, STEP = 0.1;

// A face, so that there is something before the first stroke.
const arc = (n, r, from, to, y) => Array.from({ length: n }, (_, i) => {
  const a = from + ((to - from) * i) / (n - 1);
  return [r * Math.cos(a), y + r * Math.sin(a)];
}).flat();
export const FACE = [...arc(20, 1.2, Math.PI * 1.15, Math.PI * 1.85, 0.3), -0.6, 0.8, 0.6, 0.8].map((v) => Math.round(100 * v) / 100);

// `get()` gives the points, flat; `put(points, done)` takes them, done when the stroke has ended. While it is `enabled`.
export function drawing({ canvas, window, get, put, moved }) {
  const pointed = canvas.tabIndex >= 0; // it has marks to point at
  let pen = null, down = false, keys = false, enabled = false, fresh = true;
  const at = (event) => {
    const b = canvas.getBoundingClientRect(), box = squareBox(b.width, window), place = (v, from, to, [low, high]) => low + ((v - from) / (to - from)) * (high - low);
    return [place(event.clientX - b.left, box.left, box.right, box.x), place(event.clientY - b.top, box.bottom, box.top, box.y)].map((v) => clamp(v, -REACH, REACH));
  };
  const add = (point, done) => {
    const points = fresh ? [] : get();
    fresh = false;
    put([...points, ...point.map((v) => Math.round(100 * v) / 100)].slice(-2 * MOST), done);
  };
  const handlers = {
    pointerdown(event) {
      down = true;
      keys = false;
      canvas.setPointerCapture(event.pointerId);
      add((pen = at(event)), false);
    },
    pointermove(event) {
      const point = at(event);
      if (down && Math.hypot(point[0] - pen[0], point[1] - pen[1]) > NEAR) add((pen = point), false);
    },
    pointerup() {
      if (!down) return;
      down = false;
      put(get(), true);
    },
    keydown(event) {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way && event.key !== " ") return;
      event.preventDefault();
      keys = true;
      pen ??= [0, 0];
      if (way) pen = pen.map((v, i) => clamp(v + STEP * way[i], -REACH, REACH));
      else add(pen, true);
      moved();
    },
  };
  handlers.pointercancel = handlers.pointerup;
  const enable = (on) => {
    if (on === enabled) return;
    enabled = on;
    fresh = true;
    for (const [name, handler] of Object.entries(handlers)) canvas[on ? "addEventListener" : "removeEventListener"](name, handler);
    canvas.classList.toggle("gn-drawn", on);
    if (on) canvas.tabIndex = 0;
    else if (!pointed) canvas.removeAttribute("tabindex");
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
  };
  return { enable, clear() {
      fresh = true;
      put([], false);
    }, get pen() { return enabled && keys ? pen : null; } };
}

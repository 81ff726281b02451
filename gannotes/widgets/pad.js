// A pad to draw on: with the pointer, or with arrow keys and Space.
import { check } from "./controls.js";
import { element } from "./elements.js";
import { clamp } from "./numbers.js";

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

// A stroke from (x0, y0) to (x1, y1) on the bytes of an image: each pixel is covered as far as it reaches into the
// strip of that radius.
export function stroke(bytes, [h, w], [x0, y0], [x1, y1], radius, erase) {
  const dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const along = length2 ? clamp(((j + 0.5 - x0) * dx + (i + 0.5 - y0) * dy) / length2, 0, 1) : 0;
      const cover = Math.round(255 * clamp(radius + 0.5 - Math.hypot(j + 0.5 - x0 - along * dx, i + 0.5 - y0 - along * dy), 0, 1));
      bytes[i * w + j] = erase ? Math.min(bytes[i * w + j], 255 - cover) : Math.max(bytes[i * w + j], cover);
    }
  return bytes;
}

// What stands on a pad: a frame around what examples leave empty, and the pen, while keys lead it.
function overlay([h, w], margin) {
  const nib = element("span", { class: "gn-nib", "aria-hidden": "true" });
  const frame = element("span", { class: "gn-frame", "aria-hidden": "true", style: `inset: ${(100 * margin) / h}% ${(100 * margin) / w}%` });
  const show = (pen, radius) => {
    Object.assign(nib.style, { left: `${(100 * pen.x) / w}%`, top: `${(100 * pen.y) / h}%`, width: `${(200 * (radius + 0.4)) / w}%` });
    nib.classList.toggle("gn-down", pen.down);
  };
  // Where the pen is, in words.
  const say = (pen, tool) => `; ${tool} ${pen.down ? "down" : "up"} at row ${Math.ceil(pen.y)}, column ${Math.ceil(pen.x)}`;
  return { nodes: [...(margin ? [frame] : []), nib], show, say };
}

// `draw(from, to)` paints a stroke, `clear` empties the pad, `toggle` changes between pen and eraser, `moved` shows a
// pen that has moved, `rest` runs when the hand has let go. A finger draws where it lands; two fingers scroll.
function pad(canvas, [h, w], children, { draw, clear, toggle, moved, rest }) {
  const middle = { x: Math.floor(w / 2) + 0.5, y: Math.floor(h / 2) + 0.5, down: false }, pen = { ...middle, at: null };
  const moveTo = (x, y) => {
    const before = [pen.x, pen.y];
    Object.assign(pen, { x: clamp(x, 0.5, w - 0.5), y: clamp(y, 0.5, h - 0.5) });
    if (pen.down) draw(before, [pen.x, pen.y]);
    moved();
  };
  const under = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * w, ((event.clientY - top) / height) * h];
  };
  const lay = (down) => {
    pen.down = down;
    moveTo(pen.x, pen.y);
  };
  const keys = { " ": () => lay(!pen.down), Backspace: clear, Delete: clear, e: toggle, Escape: () => lay(false) };
  const press = (event) => {
    const action = keys[event.key], arrow = ARROWS[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey || !(action || arrow)) return;
    event.preventDefault();
    node.classList.add("gn-keys");
    const size = event.shiftKey ? 4 : 1;
    if (action) action();
    else moveTo(pen.x + size * arrow[0], pen.y + size * arrow[1]);
    rest();
  };
  const lift = () => {
    if (pen.at) rest();
    pen.at = null;
  };
  const node = element("div", {
    class: "gn-pad", tabindex: 0, role: "application", onkeydown: press, onpointerup: lift, onpointercancel: lift,
    "aria-label": `Drawing pad, ${w} by ${h} pixels. The arrow keys move the pen, with Shift by four pixels; Space puts it down or lifts it; E changes between pen and eraser; Backspace clears the pad.`,
    onblur: () => {
      node.classList.remove("gn-keys");
      pen.down = false;
    },
    onpointerdown: (event) => {
      if (event.button || !event.isPrimary) return;
      node.setPointerCapture(event.pointerId);
      node.classList.remove("gn-keys");
      pen.down = false;
      pen.at = under(event);
      draw(pen.at, pen.at);
    },
    onpointermove: (event) => {
      if (!pen.at || !event.isPrimary) return;
      for (const part of [...(event.getCoalescedEvents?.() ?? []), event]) {
        const next = under(part);
        draw(pen.at, next);
        pen.at = next;
      }
    },
  }, canvas, ...children);
  return { node, pen, middle };
}

// A pad on a sheet of ink, with its eraser and the empty pictures beside it, by their names, the pad's own first.
// `page`: ink(), draw(bytes), clear() and reset(); `radius(erasing)` of the pen; `refresh` shows what has changed.
export function drawingPad(model, page, { size, margin, names, radius, refresh }) {
  const canvases = names.map((name) => element("canvas", { width: size[1], height: size[0], role: "img", class: "gn-pixels", "data-name": name }));
  const eraser = check("eraser", refresh), erasing = () => eraser.input.checked, over = overlay(size, margin);
  const { node, pen, middle } = pad(canvases[0], size, over.nodes, {
    draw: (from, to) => page.draw(stroke(page.ink(), size, from, to, radius(erasing()), erasing())),
    clear: () => still(page.clear)(),
    toggle: () => {
      eraser.show(!erasing());
      refresh();
    },
    moved: refresh,
    rest: () => model.save_changes(),
  });
  const still = (action) => (...values) => {
    pen.down = false;
    action(...values);
  };
  const reset = () => {
    Object.assign(pen, middle);
    page.reset();
  };
  // Shows the pen; says where it is, while keys lead it.
  const showPen = () => {
    over.show(pen, radius(erasing()));
    return node.classList.contains("gn-keys") ? over.say(pen, erasing() ? "eraser" : "pen") : "";
  };
  return { node, canvases, pen, eraser, still, clear: still(page.clear), reset, showPen };
}

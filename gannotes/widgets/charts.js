// Pictures on a canvas: the frame, its ticks, the theme's colours, any pixel density.
import { element, parts, symbol } from "./elements.js";
import { clamp, ticks } from "./numbers.js";

export const FONT = "12px system-ui, sans-serif";
const MATHS = "italic 15px Georgia, serif", INDEX = "10px Georgia, serif";

// A canvas that repaints with `draw(context, width, ink)` when its width or the theme changes; `height(width)` in pixels.
export function chart(height, draw) {
  const canvas = element("canvas", { role: "img" }), context = canvas.getContext("2d"), stage = element("div", { class: "gn-stage gn-chart" }, canvas);
  const paint = () => {
    const width = stage.clientWidth, ratio = window.devicePixelRatio || 1;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height(width) * ratio);
    const [across, down] = [`${width}px`, `${height(width)}px`];
    if (canvas.style.width !== across || canvas.style.height !== down) Object.assign(canvas.style, { width: across, height: down }); // else no new layout
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(canvas);
    draw(context, width, (colour) => style.getPropertyValue(colour).trim());
  };
  const sized = new ResizeObserver(paint), themed = new MutationObserver(paint);
  sized.observe(stage);
  for (const node of [document.documentElement, document.body]) themed.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  const stop = () => {
    sized.disconnect();
    themed.disconnect();
  };
  return { canvas, stage, paint, stop };
}

// The map of an interval to pixels.
export const scale = ([low, high], from, to) => (v) => from + ((v - low) / (high - low)) * (to - from);

function segment(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  context.stroke();
}

export function write(context, words, x, y, align = "center", font = FONT) {
  context.font = font;
  context.textAlign = align;
  context.fillText(words, x, y);
}

// A mathematical name on a canvas, as `symbol` sets it in the page.
export function writeName(context, name, x, y, align = "center") {
  const found = parts(name);
  if (!found) return write(context, name, x, y, align);
  write(context, found.letter + found.star, x, y, align, MATHS);
  const width = context.measureText(found.letter + found.star).width;
  if (found.index) write(context, found.index, x + { center: width / 2, left: width, right: 0 }[align] + 1, y + 4, "left", INDEX);
}

// Runs `action` with what lies outside the box cut off.
function inside(context, { left, right, top, bottom }, action) {
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  action();
  context.restore();
}

// The frame with its ticks, at the left unless it is `bare`; `marks` are [value, label] pairs at the right; `names` those of the axes.
function drawFrame(context, ink, box, X, Y, { below = true, zero = true, bare = false, right = [], names = [] }) {
  context.lineWidth = 1;
  context.strokeStyle = ink("--gn-line");
  if (zero && box.y[0] < 0 && box.y[1] > 0) segment(context, box.left, Y(0), box.right, Y(0));
  context.strokeRect(Math.round(box.left) + 0.5, Math.round(box.top) + 0.5, Math.round(box.right - box.left), Math.round(box.bottom - box.top));
  context.fillStyle = ink("--gn-muted");
  for (const [v, label] of ticks(box.x, Math.max(2, (box.right - box.left) / 60))) {
    segment(context, X(v), box.bottom, X(v), box.bottom + 4);
    if (below) write(context, label, X(v), box.bottom + 17);
  }
  for (const [v, label] of bare ? [] : ticks(box.y, Math.max(2, (box.bottom - box.top) / 40))) {
    segment(context, box.left - 4, Y(v), box.left, Y(v));
    write(context, label, box.left - 7, Y(v) + 4, "right");
  }
  for (const [v, label] of right) {
    segment(context, box.right, Y(v), box.right + 4, Y(v));
    write(context, label, box.right + 7, Y(v) + 4, "left");
  }
  context.fillStyle = ink("--gn-text");
  if (names[0]) writeName(context, names[0], (box.left + box.right) / 2, box.bottom + 33);
  if (!names[1]) return;
  context.save();
  context.translate(10, (box.top + box.bottom) / 2);
  if (names[1].length > 3) context.rotate(-Math.PI / 2);
  writeName(context, names[1], 0, 4);
  context.restore();
}

// One frame of a chart with its two maps from values to pixels. `box` has left, right, top, bottom, and the intervals x, y.
export function panel(context, ink, box) {
  const X = scale(box.x, box.left, box.right), Y = scale(box.y, box.bottom, box.top), far = 1e5;
  const path = (xs, values) => {
    context.beginPath();
    values.forEach((v, i) => context.lineTo(X(xs[i]), clamp(Y(v), -far, far)));
  };
  const cut = (action) => inside(context, box, action);
  const line = (xs, values, colour, width = 2, dash = []) => cut(() => {
    path(xs, values);
    context.strokeStyle = ink(colour);
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke();
  });
  const fill = (xs, values, colour, alpha) => cut(() => {
    path(xs, values);
    context.lineTo(X(xs.at(-1)), Y(0));
    context.lineTo(X(xs[0]), Y(0));
    context.globalAlpha = alpha;
    context.fillStyle = ink(colour);
    context.fill();
  });
  // Dots at flat pairs of coordinates, filled, or rings of a `width`.
  const dots = (pairs, colour, { radius = 2.2, alpha = 0.9, width = 0 } = {}) => cut(() => {
    context.fillStyle = context.strokeStyle = ink(colour);
    context.globalAlpha = alpha;
    context.lineWidth = width;
    for (let i = 0; i < pairs.length; i += 2) {
      context.beginPath();
      context.arc(X(pairs[i]), Y(pairs[i + 1]), radius, 0, 7);
      if (width) context.stroke();
      else context.fill();
    }
  });
  // Samples as ticks that stand on the lower border, or hang from the upper one.
  const rug = (values, colour, above = false) => cut(() => {
    context.strokeStyle = ink(colour);
    context.lineWidth = 1;
    context.globalAlpha = 0.7;
    context.beginPath();
    for (const v of values) {
      context.moveTo(X(v), above ? box.top : box.bottom);
      context.lineTo(X(v), above ? box.top + 10 : box.bottom - 10);
    }
    context.stroke();
  });
  const frame = (options = {}) => drawFrame(context, ink, box, X, Y, options);
  return { X, Y, cut, line, fill, dots, rug, frame };
}

// The legend is text, with the marks of the picture: a line, its filling, dots or ticks.
function svg(html) {
  const holder = element("span", { "aria-hidden": "true" });
  holder.innerHTML = `<svg width="30" height="12">${html}</svg>`;
  return holder.firstChild;
}
export const swatch = (colour, { dash = "", fill = 0, width = 2 } = {}) =>
  svg(`<rect width="30" height="12" style="fill:var(${colour});opacity:${fill}"/>
    <line x1="0" y1="${fill ? 1 : 6}" x2="30" y2="${fill ? 1 : 6}" style="stroke:var(${colour})" stroke-width="${width}" stroke-dasharray="${dash}"/>`);
export const dotMark = (colour) => svg(`<circle cx="15" cy="6" r="3" style="fill:var(${colour})"/>`);
export const ringMark = (colour) => svg(`<circle cx="15" cy="6" r="3.5" fill="none" stroke-width="1.25" style="stroke:var(${colour})"/>`);
export const rugMark = (colour) => svg(`<path d="M9 1v10M15 1v10M19 1v10" style="stroke:var(${colour})"/>`);

// [mark, ...words] each.
export const legend = (...entries) => element("ul", { class: "gn-legend" },
  ...entries.map(([mark, ...words]) => element("li", {}, mark, element("span", {}, ...words))));

// Values from 0 to 1 (-1 to 1 around the middle) as a colour between those of the model and of the data.
export function fieldLegend(name, low, high) {
  const bar = element("span", { class: "gn-bar", style: "background:linear-gradient(90deg,var(--gn-q),transparent,var(--gn-p))" });
  return element("li", {}, typeof name === "string" ? symbol(name) : name, element("span", {}, low), bar, element("span", {}, high));
}

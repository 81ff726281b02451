// The latent plane as a map that the reader points into, beside the image that the decoder makes there.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, write } from "./charts.js";
import { button, check, radios, setter, slider } from "./controls.js";
import { element, symbol } from "./elements.js";
import { networks } from "./network.js";
import { clamp, decode, median, number } from "./numbers.js";
import { Phi, quantile } from "./normal.js";
import { drawAxes } from "./plane.js";
import { indefinite, rasterise, show, thumbnail } from "./pictures.js";

const MARGIN = { left: 30, top: 4, right: 4, bottom: 26 };
const BUDGET = 15; // milliseconds of decoding between two paintings
const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const HOME = [0, 0];

const bright = (hex) => [0.299, 0.587, 0.114].reduce((sum, w, i) => sum + w * parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16), 0) > 115;

function off(width, height) {
  const canvas = element("canvas", { width, height });
  return [canvas, canvas.getContext("2d")];
}

// The codes, their classes, and their place on the map: z_1 to the right, z_2 upwards, in pixels of `box`.
function atlas(model) {
  const { classes, limit } = model.get("view"), box = { left: MARGIN.left, top: MARGIN.top, side: 0 };
  const flat = decode(model.get("points"), "float16"), labels = decode(model.get("labels"), "uint8");
  const codes = Array.from(labels, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  const visible = (i) => model.get("only") < 0 || labels[i] === model.get("only");
  // Between a coordinate and its share of the map, 0 to 1.
  const share = (v) => clamp(model.get("quantiles") ? Phi(v) : (v + limit) / (2 * limit), 0, 1);
  const value = (s) => clamp(model.get("quantiles") ? quantile(s) : (2 * s - 1) * limit, -limit, limit);
  const spot = (z) => [box.left + share(z[0]) * box.side, box.top + (1 - share(z[1])) * box.side];
  const code = ([x, y]) => [(x - box.left) / box.side, 1 - (y - box.top) / box.side].map((s) => value(clamp(s, 0, 1)));
  const inside = ([x, y], a, b) => [clamp(x, box.left + a, box.left + box.side - a), clamp(y, box.top + b, box.top + box.side - b)];
  const medians = classes.map((_, c) => {
    const own = codes.filter((_, i) => labels[i] === c);
    return own.length ? [0, 1].map((k) => median(own.map((z) => z[k]))) : null;
  });
  const nearest = (z) => codes.reduce((best, [a, b], index) => {
    const distance = Math.hypot(a - z[0], b - z[1]);
    return visible(index) && !(distance >= best?.distance) ? { index, distance } : best;
  }, null);
  return { box, classes, limit, labels, codes, visible, share, value, spot, code, inside, medians, nearest };
}

// The sheet: the images of the cells' mid-points, as transparency, a few at a time while the page stays responsive.
function sheets(model, { value }, decoder, grey) {
  const { cells } = model.get("view"), [channels, h, w] = model.get("shape"), area = h * w, made = new Map();
  const now = () => {
    const key = model.get("quantiles");
    if (!made.has(key)) {
      const [canvas, context] = off(cells * w, cells * h);
      made.set(key, { canvas, context, done: 0, at: Array.from({ length: cells }, (_, i) => value((i + 0.5) / cells)) });
    }
    return made.get(key);
  };
  const cell = (context, at, n) => {
    const row = (n / cells) | 0, column = n % cells, image = new ImageData(w, h), x = decoder(Float32Array.of(at[column], at[cells - 1 - row]));
    for (let i = 0; i < area; i++) {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += clamp(grey(x[c * area + i]), 0, 1);
      image.data[4 * i + 3] = (255 * sum) / channels;
    }
    context.putImageData(image, column * w, row * h);
  };
  const more = () => {
    const sheet = now(), until = performance.now() + BUDGET;
    do cell(sheet.context, sheet.at, sheet.done++);
    while (sheet.done < cells * cells && performance.now() < until);
  };
  return { now, more, unfinished: () => now().done < cells * cells };
}

function drawSheet(context, ink, { left, top, side }, { canvas, done }) {
  if (!done) return;
  const [tinted, paint] = off(canvas.width, canvas.height);
  paint.drawImage(canvas, 0, 0);
  paint.globalCompositeOperation = "source-in";
  paint.fillStyle = ink("--gn-text");
  paint.fillRect(0, 0, tinted.width, tinted.height);
  context.globalAlpha = 0.4;
  context.imageSmoothingQuality = "high";
  context.drawImage(tinted, left, top, side, side);
  context.globalAlpha = 1;
}

// The classes' names, at the medians but for what keeps them from covering each other.
function apart({ medians, inside, spot }, halves) {
  const at = medians.map((z, c) => z && inside(spot(z), halves[c] + 1, 11));
  for (let round = 0; round < 40; round++)
    at.forEach((p, c) => at.slice(0, c).forEach((q, d) => {
      if (!p || !q) return;
      const dx = p[0] - q[0] || 0.1, dy = p[1] - q[1] || 0.1, gap = Math.hypot(dx, dy), lack = halves[c] + halves[d] + 2 - gap;
      if (lack <= 0) return;
      for (const [point, way] of [[p, 0.5], [q, -0.5]]) {
        const moved = inside([point[0] + (way * lack * dx) / gap, point[1] + (way * lack * dy) / gap], halves[c] + 1, 11);
        [point[0], point[1]] = moved;
      }
    }));
  return at;
}

function drawCodes(context, ink, map, only) {
  const { classes, labels, codes, visible, inside, spot } = map, colours = classes.map((_, c) => ink(`--gn-c${c}`));
  context.strokeStyle = ink("--gn-card");
  context.lineWidth = 1;
  codes.forEach((z, i) => {
    if (!visible(i)) return;
    context.beginPath();
    context.arc(...inside(spot(z), 2, 2), labels.length > 500 ? 2.5 : 3, 0, 7);
    context.fillStyle = colours[labels[i]];
    context.fill();
    context.stroke();
  });
  const font = "bold 13px system-ui, sans-serif";
  context.font = font;
  const halves = classes.map((label) => Math.max(10, context.measureText(label).width / 2 + 5));
  apart(map, halves).forEach((at, c) => {
    if (!at || (only >= 0 && only !== c)) return;
    const [x, y] = at, half = halves[c];
    context.beginPath();
    context.roundRect(x - half, y - 10, 2 * half, 20, 10);
    context.fillStyle = colours[c];
    context.lineWidth = 2;
    context.stroke();
    context.fill();
    context.fillStyle = bright(colours[c]) ? "#000000" : "#ffffff";
    write(context, classes[c], x, y + 4.5, "center", font);
  });
}

// The point with its cross hairs, the nearest code, and, while a mouse hovers, the code chosen.
function drawPoint(context, ink, { box, spot, codes, labels, nearest }, z, chosen) {
  const [x, y] = spot(z), near = nearest(z), hair = (x0, y0, x1, y1) => {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  };
  context.strokeStyle = ink("--gn-accent");
  context.lineWidth = 1;
  context.globalAlpha = 0.75;
  context.beginPath();
  hair(box.left, y, x - 8, y);
  hair(x + 8, y, box.left + box.side, y);
  hair(x, box.top, x, y - 8);
  hair(x, y + 8, x, box.top + box.side);
  context.stroke();
  context.globalAlpha = 1;
  const ring = (px, py, radius, colour) => {
    for (const [width, style] of [[4.5, ink("--gn-card")], [2, colour]]) {
      context.beginPath();
      context.arc(px, py, radius, 0, 7);
      context.lineWidth = width;
      context.strokeStyle = style;
      context.stroke();
    }
  };
  if (near) ring(...spot(codes[near.index]), 5, ink(`--gn-c${labels[near.index]}`));
  if (chosen) ring(...spot(chosen), 4, ink("--gn-muted"));
  ring(x, y, 7, ink("--gn-text"));
}

// The map as a chart. What does not depend on z is drawn once: sheet, axes, codes, and the classes' names.
function picture(model, map, sheet, shown, hovers) {
  let base = null, drawn = "", waiting = 0;
  const draw = (context, ink, { width, height }, behind) => {
    const key = [width, ...["--gn-text", "--gn-c0"].map(ink), behind && sheet.now().done, model.get("quantiles"), model.get("only")].join();
    if (key === drawn) return;
    const [copy, paint] = off(width, height);
    paint.setTransform(context.getTransform());
    if (behind) drawSheet(paint, ink, map.box, sheet.now());
    drawAxes(paint, ink, map, model.get("quantiles"));
    drawCodes(paint, ink, map, model.get("only"));
    [base, drawn] = [copy, key];
  };
  const more = () => {
    waiting = 0;
    sheet.more();
    result.paint();
  };
  const total = (width) => width - MARGIN.left - MARGIN.right + MARGIN.top + MARGIN.bottom;
  const result = chart(total, (context, width, ink) => {
    const behind = model.get("sheet") && model.get("view").cells > 0;
    map.box.side = width - MARGIN.left - MARGIN.right;
    draw(context, ink, context.canvas, behind);
    context.save();
    context.resetTransform();
    context.drawImage(base, 0, 0);
    context.restore();
    drawPoint(context, ink, map, shown(), hovers() ? model.get("z") : null);
    if (behind && sheet.unfinished()) waiting ||= requestAnimationFrame(more);
  });
  const stop = () => {
    cancelAnimationFrame(waiting);
    result.stop();
  };
  return { ...result, stop };
}

// The surface that takes pointer and keys: a mouse previews, a click or a touch chooses, arrow keys move by a
// hundredth of the map, with Shift by a twentieth. A finger that moves up or down scrolls the page.
function surfaceOf(model, map, { canvas, stage }, choose, preview) {
  const under = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return map.code([event.clientX - left, event.clientY - top]);
  };
  const press = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in ARROWS || event.key === "Home")) return;
    event.preventDefault();
    if (event.key === "Home") return choose(HOME);
    const size = event.shiftKey ? 0.05 : 0.01, way = ARROWS[event.key];
    choose(model.get("z").map((v, k) => (way[k] ? map.value(clamp(map.share(v) + size * way[k], 0, 1)) : v)));
  };
  const node = element("div", {
    class: "gn-surface", tabindex: 0, role: "application", onkeydown: press,
    "aria-label": "Map of the latent plane. The arrow keys move the point, with Shift in larger steps; Home returns to the origin.",
    onpointerdown: (event) => {
      if (event.button) return;
      node.setPointerCapture(event.pointerId);
      choose(under(event));
    },
    onpointermove: (event) => {
      if (node.hasPointerCapture(event.pointerId)) choose(under(event));
      else if (event.pointerType === "mouse") preview(under(event));
    },
    onpointerleave: () => preview(null),
  }, stage);
  return node;
}

// Sliders, classes, axes, background: each with what it shows.
function controlsOf(model, { classes, limit }, set, choose) {
  const rows = ["z_1", "z_2"].map((name, k) => {
    const label = element("span", {}, symbol(name), element("span", { class: "gn-muted", "aria-hidden": "true" }, k ? "\u2191" : "\u2192"));
    const say = (_, text) => `${text}, ${k ? "from bottom to top" : "from left to right"}`;
    return slider({ label, min: -limit, max: limit, step: 0.01, say, input: (v) => choose(model.get("z").with(k, v)) });
  });
  const kinds = radios({ legend: "Show", group: "class", pick: (i) => set({ only: i - 1 }), options: [
    element("span", {}, "all"), ...classes.map((label, c) => element("span", { class: "gn-kind", style: `--gn-kind: var(--gn-c${c})` }, label)),
  ] });
  const axes = radios({ legend: "Axes", group: "axes", pick: (i) => set({ quantiles: i === 0 }), options: [
    element("span", {}, element("span", {}, symbol("u"), " = \u03a6(", symbol("z"), ")")), element("span", {}, symbol("z")),
  ] });
  const behind = check("decoded background", (on) => set({ sheet: on }));
  const buttons = element("div", { class: "gn-buttons" }, button("Origin", () => choose(HOME)), ...(model.get("view").cells ? [behind.node] : []));
  const show = (z) => {
    rows.forEach((row, k) => row.show(z[k]));
    kinds.show(model.get("only") + 1);
    axes.show(model.get("quantiles") ? 0 : 1);
    behind.show(model.get("sheet"));
  };
  return { nodes: [element("div", { class: "gn-rows" }, ...rows.map((row) => row.node)), kinds.node, axes.node, buttons], show };
}

// The image at the point, large, and the nearest test image.
function pairOf(model, { classes, labels }, decoder, grey) {
  const shape = model.get("shape"), [channels, h, w] = shape, size = channels * h * w, smooth = model.get("smooth"), { name } = model.get("view");
  const nibbles = model.get("images").byteLength ? decode(model.get("images"), "uint8") : null;
  const level = (k) => (k % 2 ? nibbles[k >> 1] & 15 : nibbles[k >> 1] >> 4) / 15;
  const digit = element("canvas", { width: w, height: h, role: "img", class: smooth ? "" : "gn-pixels" });
  const original = thumbnail(smooth, `Nearest ${name}`), [scratch] = off(w, h), [where, article, chip, distance] = ["span", "span", "b", "span"].map((tag) => element(tag));
  where.className = "gn-where";
  chip.className = "gn-chip";
  distance.className = "gn-muted gn-distance";
  const node = element("div", { class: "gn-pair" },
    element("figure", {}, digit, element("figcaption", {}, "decoded at ", symbol("z"), " =", where)),
    element("figure", {}, ...(nibbles ? [original] : []), element("figcaption", {}, `nearest encoded ${name}: `, article, chip, distance)));
  const display = (z, near) => {
    const x = decoder(Float32Array.from(z)), kind = near ? classes[labels[near.index]] : "none";
    rasterise(digit, shape, (i) => grey(x[i]));
    where.textContent = `(${z.map((v) => number(v)).join(", ")})`;
    article.textContent = near ? indefinite(kind).slice(0, -kind.length) : "";
    chip.textContent = kind;
    chip.style.setProperty("--gn-kind", near ? `var(--gn-c${labels[near.index]})` : "transparent");
    distance.textContent = near ? `${number(near.distance)} away` : "";
    if (nibbles && near) show(original, rasterise(scratch, shape, (i) => level(near.index * size + i)));
    const words = `z_1 = ${number(z[0])}, z_2 = ${number(z[1])}; nearest encoded ${name}: ${near ? indefinite(kind) : "none"}`;
    digit.setAttribute("aria-label", `Image decoded at ${words}`);
    return words;
  };
  return { node, digit, show: display };
}

function render({ model, el }) {
  const [low, high] = model.get("limits"), grey = (v) => (v - low) / (high - low), [decoder] = networks(model, [model.get("layers").length]);
  const map = atlas(model), { limit, labels, nearest } = map, sheet = sheets(model, map, decoder, grey), voice = announcer(), write = setter(model);

  // The code on show: where a mouse hovers, otherwise the code chosen.
  let hover = null;
  const shown = () => hover ?? model.get("z");
  const set = (change) => {
    hover = null;
    write(change);
  };
  const choose = (z) => set({ z: z.map((v) => clamp(v, -limit, limit)) });
  const preview = (z) => {
    if (!z && !hover) return;
    hover = z;
    refresh();
  };
  const drawing = picture(model, map, sheet, shown, () => hover), { canvas, paint } = drawing;
  const controls = controlsOf(model, map, set, choose), pair = pairOf(model, map, decoder, grey);
  const refresh = () => {
    const z = shown(), words = pair.show(z, nearest(z));
    controls.show(z);
    canvas.setAttribute("aria-label", `Map of ${labels.length} encoded ${model.get("view").name}s by class; point at ${words}`);
    paint();
    voice.say(words);
  };
  card(model, el, "map", "Latent map",
    element("div", { class: "gn-body" }, surfaceOf(model, map, drawing, choose, preview), element("div", { class: "gn-side" }, pair.node, ...controls.nodes, voice.node)));
  canvas.gannotes = { ...map, Phi, quantile, shown, sheet: () => sheet.now().done };
  pair.digit.gannotes = { forward: (z) => Array.from(decoder(Float32Array.from(z))) };
  return follow(model, "change", refresh, voice.stop, drawing.stop);
}

export default { render };

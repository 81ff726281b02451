// A pad to draw a digit on; beside it what a classifier says of it, what an autoencoder makes of it, and where its code lies.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, panel, write } from "./charts.js";
import { button, radios, setter } from "./controls.js";
import { element, symbol } from "./elements.js";
import { networks } from "./network.js";
import { clamp, decode, median, number } from "./numbers.js";
import { Phi } from "./normal.js";
import { drawingPad } from "./pad.js";
import { drawAxes } from "./plane.js";
import { indefinite, rasterise, show, thumbnail } from "./pictures.js";

const HALF = 0.5; // the encoder was trained on pixels that are black or white
const BOLD = "bold 14px system-ui, sans-serif";
const ROUND = Array.from({ length: 65 }, (_, i) => [Math.cos((i * Math.PI) / 32), Math.sin((i * Math.PI) / 32)]);
const percent = (p) => `${number(100 * p, 0)} %`;

export function softmax(logits) {
  const most = Math.max(...logits), e = Array.from(logits, (v) => Math.exp(v - most)), sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}
const best = (p) => p.indexOf(Math.max(...p));

// The three networks, and all that the page computes of a picture, whose pixels are shares of ink from 0 to 1.
function reading(model) {
  const forwards = networks(model, model.get("generators").map(([, depth]) => depth)), [classify, rebuild, encode] = forwards;
  const judge = (x) => softmax(classify(x));
  const read = (x) => {
    const code = [...encode(x.map((v) => +(v > HALF)))], k = code.length / 2;
    const z = code.slice(0, k), sd = code.slice(k).map(Math.exp), rebuilt = Float32Array.from(rebuild(Float32Array.from(z)));
    return { z, sd, rebuilt, drawn: judge(x), again: judge(rebuilt) };
  };
  return { forwards, read };
}

// One row a class: the probability of what is drawn, and below it that of what the decoder made of it.
function verdict(classes) {
  const rows = classes.map((label, c) => {
    const bars = ["gn-fill", "gn-fill gn-again"].map((kind) => element("span", { class: kind })), value = element("span", { class: "gn-value" }), more = element("span", { class: "gn-hidden" });
    const node = element("li", { style: `--gn-kind: var(--gn-c${c})` }, element("b", {}, label), element("span", { class: "gn-bars", "aria-hidden": "true" }, ...bars), value, more);
    const show = (drawn, again) => {
      [drawn, again].forEach((p, i) => (bars[i].style.width = `${100 * p}%`));
      value.textContent = percent(drawn);
      more.textContent = `, rebuilt ${percent(again)}`;
    };
    return { node, show };
  });
  const node = element("ul", { class: "gn-verdict", "aria-label": "Probability of each class" }, ...rows.map((row) => row.node));
  return { node, show: ({ drawn, again }) => rows.forEach((row, c) => row.show(drawn[c], again[c])) };
}

// The plane of codes, on which equal areas hold as much of the prior: those of test images by class, and q(z|x) of the drawing, its mean and its ellipse of two deviations.
function plane(model, now) {
  const { classes } = model.get("view"), flat = decode(model.get("points"), "float16"), labels = decode(model.get("labels"), "uint8");
  const kinds = classes.map((name, c) => ({ name, c, dots: flat.filter((_, i) => labels[i >> 1] === c) })).filter(({ dots }) => dots.length);
  const box = { left: 26, top: 3, side: 0 }, share = (v) => clamp(Phi(v), 0, 1), spots = (pairs) => Float64Array.from(pairs, share);
  for (const kind of kinds) {
    kind.spots = spots(kind.dots);
    kind.middle = [0, 1].map((k) => median([...kind.spots].filter((_, i) => i % 2 === k)));
  }
  return chart((width) => width, (context, width, ink) => {
    box.side = width - 29;
    drawAxes(context, ink, { box, limit: 3, share }, true);
    const { X, Y, dots, line } = panel(context, ink, { left: box.left, right: box.left + box.side, top: box.top, bottom: box.top + box.side, x: [0, 1], y: [0, 1] });
    kinds.forEach((kind) => dots(kind.spots, `--gn-c${kind.c}`, { radius: 1.5, alpha: 0.6 }));
    Object.assign(context, { strokeStyle: ink("--gn-card"), lineWidth: 4, lineJoin: "round", textAlign: "center", font: BOLD });
    kinds.forEach(({ name, c, middle: [x, y] }) => {
      const [left, top] = [clamp(X(x), box.left + 6, box.left + box.side - 6), clamp(Y(y), 10, box.side - 8) + 5];
      context.strokeText(name, left, top);
      context.fillStyle = ink(`--gn-c${c}`);
      write(context, name, left, top, "center", BOLD);
    });
    const { z, sd } = now(), around = [0, 1].map((k) => ROUND.map((at) => share(z[k] + 2 * sd[k] * at[k])));
    for (const [colour, thick] of [["--gn-card", 5], ["--gn-text", 2]]) {
      line(...around, colour, thick);
      dots(spots(z), colour, { radius: 6, alpha: 1, width: thick });
    }
  });
}

// What is on the pad.
function sheet(model) {
  const start = { ink: model.get("ink"), example: model.get("example") }, set = setter(model), examples = decode(model.get("examples"), "uint8");
  const [, h, w] = model.get("shape"), area = h * w, ink = () => decode(model.get("ink"), "uint8"), picture = (n) => examples.slice(n * area, (n + 1) * area);
  const put = (bytes, example) => ({ ink: new DataView(Uint8Array.from(bytes).buffer), example });
  return {
    size: [h, w], ink, picture, reset: () => set(start), clear: () => set(put(new Uint8Array(area), -1)), pick: (n) => set(put(picture(n), n)),
    draw: (bytes) => model.set(put(bytes, -1)),
  };
}

// The examples as a row of radio buttons.
function gallery(view, { size, picture }, pick) {
  const scratch = element("canvas", { width: size[1], height: size[0] });
  const options = view.examples.map((_, n) => {
    const bytes = picture(n);
    return element("span", {}, show(thumbnail(false), rasterise(scratch, [1, ...size], (i) => bytes[i] / 255)));
  });
  const names = view.examples.map((c, n) => `test digit ${n + 1} of ${options.length}, ${indefinite(view.classes[c])}`);
  return radios({ legend: "test digits", group: "example", hidden: true, kind: "gn-gallery", options, names, pick });
}

function render({ model, el }) {
  const view = model.get("view"), page = sheet(model), { size } = page, { forwards, read } = reading(model), voice = announcer(), rows = verdict(view.classes);
  const shares = () => Float32Array.from(page.ink(), (v) => v / 255);
  let now = read(shares());
  const map = plane(model, () => now), { node, canvases: [canvas, made], pen, eraser, still, clear, reset, showPen } = drawingPad(model, page, {
    size, margin: view.margin, names: ["pad", "rebuilt"], radius: (erasing) => view.pen * (erasing ? 1.5 : 1), refresh: () => refresh(),
  });
  const examples = gallery(view, page, still(page.pick)), captions = [0, 1, 2, 3].map(() => element("figcaption", {}));
  const refresh = () => {
    const x = shares(), n = model.get("example");
    now = read(x);
    const { z, sd, rebuilt, drawn, again } = now, [first, second] = [drawn, again].map((p) => [view.classes[best(p)], percent(Math.max(...p))]);
    const from = n >= 0 ? `a test digit, ${indefinite(view.classes[view.examples[n]])}` : x.some((v) => v) ? "your drawing" : "an empty pad", where = `(${z.map((v) => number(v)).join(", ")})`;
    rasterise(canvas, [1, ...size], (i) => x[i]);
    rasterise(made, [1, ...size], (i) => rebuilt[i]);
    rows.show(now);
    captions[0].replaceChildren(symbol("x"), `: ${from}`);
    captions[1].replaceChildren(`read as ${indefinite(first[0])}, rebuilt as ${indefinite(second[0])}`);
    captions[2].replaceChildren("rebuilt from its code");
    captions[3].replaceChildren(symbol("z"), ` = ${where}`);
    canvas.setAttribute("aria-label", from);
    made.setAttribute("aria-label", `rebuilt from the code z = ${where}: read as ${indefinite(second[0])}`);
    map.canvas.setAttribute("aria-label", `The plane of codes: test digits by class, and the drawing at ${where}, with deviations ${sd.map((v) => number(v)).join(" and ")}`);
    const led = showPen();
    examples.show(n);
    map.paint();
    voice.say(`${from}: read as ${indefinite(first[0])}, ${first[1]}; rebuilt as ${indefinite(second[0])}, ${second[1]}; z = ${where}${led}`);
  };
  const figure = (k, ...nodes) => element("figure", {}, ...nodes, captions[k]);
  card(model, el, "digits", "A digit to draw", element("div", { class: "gn-drawing" }, figure(0, node), figure(1, rows.node), figure(2, made), figure(3, map.stage)),
    element("div", { class: "gn-buttons" }, button("Clear", clear), button("Reset", reset), eraser.node,
      element("span", { class: "gn-muted gn-hint" }, "Draw with the pointer, or with arrow keys and Space. Thin bars: what was rebuilt.")),
    examples.node, voice.node);
  [canvas, made, map.canvas].forEach((image, k) => (image.gannotes = { forward: (z) => Array.from(forwards[k](Float32Array.from(z))) }));
  Object.assign(canvas.gannotes, { pen, read: (x) => Object.fromEntries(Object.entries(read(Float32Array.from(x))).map(([key, v]) => [key, Array.from(v)])) });
  return follow(model, "change", refresh, voice.stop, map.stop);
}

export default { render };

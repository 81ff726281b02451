// Two densities that the reader moves, where a divergence comes from, and what all divergences say.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, legend, panel, swatch } from "./charts.js";
import { button, select, setter, slider } from "./controls.js";
import { alphaRow, amount, describe, divergence, GRID, infinite, logDensity, ROWS } from "./divergences.js";
import { element, maths, plain, symbol } from "./elements.js";
import { fit, MEANS, pack, SDS, unpack, WEIGHTS } from "./fit.js";
import { clamp, roundUp, spread } from "./numbers.js";
import { prefersStill, walk } from "./walk.js";

const ALPHAS = [-2, 3], STEP = 0.05, GLIDE = 0.7; // seconds
const TABLE = ["kl", "reverse_kl", "pearson", "neyman", "squared_hellinger", "jeffrey", "jensen_shannon", "half_jensen_shannon", "gan", "total_variation", "alpha"];
const rowOf = (key, a) => (key === "alpha" ? alphaRow(a) : ROWS[key]);
const total = (width) => clamp(0.52 * width, 176, 360);

function evaluate({ p, q, a }) {
  const lp = logDensity(p, GRID.x), lq = logDensity(q, GRID.x);
  return Object.fromEntries(TABLE.map((key) => [key, divergence(rowOf(key, a), p, q, lp, lq)]));
}
function diverges(key, { p, q, a }) {
  const { power } = rowOf(key, a);
  return power != null && infinite(power, p, q);
}

// The picture: both densities, and below them the integrand of the chosen row.
function draw(limits, { p, q, a, key }, context, width, ink) {
  const row = rowOf(key, a), x = spread(limits, Math.ceil(width / 1.5));
  const lp = logDensity(p, x), lq = logDensity(q, x), density = [lp, lq].map((l) => l.map(Math.exp));
  const integrand = x.map((_, i) => row.integrand(lp[i], lq[i]));
  const bottom = total(width) - 24, middle = 0.53 * bottom, box = { left: 44, right: width - 10, x: limits };
  const peak = Math.max(...density[0], ...density[1]), cap = Math.min(1e300, 6 * peak);
  const high = roundUp(Math.max(0.02 * peak, Math.min(cap, Math.max(...integrand))) * 1.04);
  const low = -roundUp(Math.max(0.06 * high, Math.min(cap, -Math.min(...integrand)) * 1.04));
  const upper = panel(context, ink, { ...box, top: 6, bottom: middle - 7, y: [0, roundUp(1.04 * peak)] });
  upper.frame({ below: false });
  upper.fill(x, density[0], "--gn-p", 0.14);
  upper.line(x, density[0], "--gn-p");
  upper.line(x, density[1], "--gn-q", 2.25, [8, 4]);
  const lower = panel(context, ink, { ...box, top: middle + 7, bottom, y: [low, high] });
  lower.frame();
  lower.fill(x, integrand, "--gn-other", 0.16);
  lower.line(x, integrand, "--gn-other", 1.75);
}

// The sliders of one density, `key` p or q: as many as it has components.
function densitySliders(model, set, key) {
  const M = model.get(key).means.length, of = (i) => (M > 1 ? `, component ${i + 1} of ${key}` : ` of ${key}`);
  const row = (letter, name, [min, max], read, write) => {
    const control = slider({ label: symbol(letter), name, min, max, step: STEP, input: (v) => set({ [key]: { ...model.get(key), ...write(v) } }) });
    return { node: control.node, show: () => control.show(read(model.get(key))) };
  };
  const part = (i, letter, words, range, trait) =>
    row(M > 1 ? `${letter}_${i + 1}` : letter, `${words}${of(i)}`, range, (d) => d[trait][i], (v) => ({ [trait]: model.get(key)[trait].with(i, v) }));
  const rows = Array.from({ length: M }, (_, i) => [part(i, "\u03bc", "mean", MEANS, "means"), part(i, "\u03c3", "width", SDS, "sds")]).flat();
  if (M > 1) rows.push(row("\u03c0_2", `weight of component 2 of ${key}`, WEIGHTS, (d) => d.weights[1], (w) => ({ weights: [1 - w, w] })));
  const node = element("fieldset", { class: `gn-density gn-density-${key}` }, element("legend", {}, symbol(key)), ...rows.map((r) => r.node));
  return { node, show: () => rows.forEach((r) => r.show()) };
}

// Both densities; built anew when another pair has another number of components.
function densities(model, set) {
  const node = element("div", { class: "gn-densities" });
  let built = "", parts = [];
  const show = () => {
    const shape = ["p", "q"].map((key) => model.get(key).means.length).join();
    if (shape !== built) {
      built = shape;
      parts = ["p", "q"].map((key) => densitySliders(model, set, key));
      node.replaceChildren(...parts.map((d) => d.node));
    }
    parts.forEach((d) => d.show());
  };
  return { node, show };
}

// The table is one group of radio buttons: the chosen row is the one that is drawn and fitted.
function table(set) {
  const rows = TABLE.map((key) => {
    const input = element("input", { type: "radio", name: "row", value: key, onchange: () => set({ row: key }) });
    const words = element("span", { class: "gn-name" }), value = element("span", { class: "gn-value" }), bar = element("span", { class: "gn-fill" });
    const show = (now, d) => {
      const endless = diverges(key, now), decades = (Math.log10(d) + 3) / 6;
      input.checked = now.key === key;
      words.replaceChildren(...maths(rowOf(key, now.a).label));
      value.textContent = amount(d, endless);
      if (endless) value.replaceChildren(element("span", { "aria-hidden": "true" }, "\u221e"), element("span", { class: "gn-hidden" }, "infinite"));
      bar.style.width = d > 0 ? `${clamp(100 * decades, 0, 100)}%` : 0;
      bar.classList.toggle("gn-over", d > 1e3);
    };
    return { key, show, node: element("label", { class: "gn-measure" }, input, words, value, element("span", { class: "gn-bars", "aria-hidden": "true" }, ...(key === "gan" ? [] : [bar]))) };
  });
  const scale = element("div", { class: "gn-measure gn-scale", "aria-hidden": "true" }, element("span", { class: "gn-name" }),
    element("span", { class: "gn-bars" }, ...["0.01", "1", "100"].map((t) => element("span", {}, t))));
  const node = element("fieldset", { class: "gn-measures" }, element("legend", { class: "gn-hidden" }, "Divergence"), ...rows.map((m) => m.node), scale);
  return { node, show: (now, values) => rows.forEach((row) => row.show(now, values[row.key])) };
}

// q glides to the minimum, or is there at once for readers who want no motion; `finish(q, words)` when it has come.
function fitting(model, state, finish) {
  let from, to, end, t;
  const glide = walk((seconds) => {
    t = Math.min(1, t + seconds / GLIDE);
    const s = t * t * (3 - 2 * t);
    if (t < 1) model.set("q", unpack(from.map((v, i) => (1 - s) * v + s * to[i])));
    return t < 1;
  }, (running) => running || end());
  const start = () => {
    const { p, q, a, key } = state(), row = rowOf(key, a), { q: target, value } = fit(row, p, q);
    const words = value === Infinity ? `No q has a finite ${plain(row.label)}.` : `Fitted: q = ${describe(target)}, ${plain(row.label)}: ${amount(value)}`;
    glide.stop();
    [from, to, t, end] = [pack(q), pack(target), 0, () => finish(value === Infinity ? q : target, words)];
    if (value === Infinity || prefersStill()) end();
    else glide.start();
  };
  return { start, stop: glide.stop };
}

function render({ model, el }) {
  const limits = model.get("limits"), pairs = model.get("pairs"), origin = { row: model.get("row"), a: model.get("a") };
  const state = () => ({ p: model.get("p"), q: model.get("q"), a: model.get("a"), key: model.get("row") });
  const { canvas, stage, paint, stop } = chart(total, (...at) => draw(limits, state(), ...at)), voice = announcer();

  const note = element("p", { role: "status", class: "gn-note" }), write = setter(model);
  const set = (change) => {
    fitter.stop();
    note.textContent = "";
    write(change);
  };
  const fitter = fitting(model, state, (q, words) => {
    set({ q });
    voice.stop(); // the note speaks
    note.textContent = words;
  });
  let start = { p: model.get("p"), q: model.get("q") };
  const pick = select({ name: "Densities", options: pairs.map((pair) => [pair.name, pair.name]), pick: (_, i) => {
    start = { p: pairs[i].p, q: pairs[i].q };
    set(start);
  } });
  const alpha = slider({ label: symbol("\u03b1"), name: "alpha", min: ALPHAS[0], max: ALPHAS[1], step: STEP, input: (a) => set({ a }) });
  const both = densities(model, set), rows = table(set), formula = element("span", { class: "gn-maths" });

  const refresh = () => {
    const now = state(), row = rowOf(now.key, now.a), values = evaluate(now);
    both.show();
    alpha.show(now.a);
    rows.show(now, values);
    formula.replaceChildren(...maths(row.formula));
    const size = diverges(now.key, now) ? "infinite" : amount(values[now.key]);
    canvas.setAttribute("aria-label", `p: ${describe(now.p)}; q: ${describe(now.q)}; ${plain(row.label)}: ${size}, the area under ${plain(row.formula)}`);
    paint();
    voice.say(canvas.getAttribute("aria-label"));
  };
  card(model, el, "divergence", "Divergence explorer",
    legend([swatch("--gn-p", { fill: 0.14 }), symbol("p")], [swatch("--gn-q", { dash: "8 4", width: 2.25 }), symbol("q")],
      [swatch("--gn-other", { fill: 0.16, width: 1.75 }), formula]),
    stage,
    element("div", { class: "gn-halves" },
      element("div", {}, ...(pairs.length > 1 ? [pick.node] : []), both.node, alpha.node,
        element("div", { class: "gn-buttons" }, button("Fit q", fitter.start), button("Reset", () => set({ ...start, ...origin }))), note),
      rows.node),
    voice.node);
  canvas.gannotes = { evaluate, fit: (key, { p, q, a }) => fit(rowOf(key, a), p, q) };
  return follow(model, "change", refresh, fitter.stop, voice.stop, stop);
}

export default { render };

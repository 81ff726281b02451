// The f-GAN bound for a critic that the reader bends: each knot of v(x) is a slider that stands in the picture.
import { announcer } from "./announce.js";
import { bound, locate } from "./bound.js";
import { card, follow } from "./card.js";
import { chart, legend, panel, swatch, write } from "./charts.js";
import { button, select, setter } from "./controls.js";
import { amount, describe, logDensity, ROWS } from "./divergences.js";
import { element, maths, plain, symbol } from "./elements.js";
import { knotSliders } from "./knots.js";
import { clamp, number, roundUp, spread, ticks } from "./numbers.js";

const CHOICES = ["kl", "reverse_kl", "pearson", "neyman", "squared_hellinger", "jeffrey", "jensen_shannon", "gan", "total_variation", "alpha(0.5)"];
const TERMS = [
  ["reward", "E_{p}[t]", "--gn-p"], ["cost", "\u2212E_{q}[f*(t)]", "--gn-q"], ["bound", "bound", "--gn-D"],
  ["gap", "gap", "--gn-other"], ["truth", "D_{f}(p \u2016 q)", "--gn-best"],
];

const short = (t) => number(+t.toPrecision(Math.abs(t) < 1 ? 2 : 3), 4).replace(/\.?0+$/, "");
const total = (width) => clamp(0.62 * width, 260, 430);

// The picture: the densities and where the gap is; below, the critic on the scale of v, with t = h(v) at the right.
function draw(setting, box, context, width, ink) {
  const { p, q, knots, limits, outputs, row, v } = setting, x = spread(limits, Math.ceil(width / 1.5));
  const [a, b] = [p, q].map((d) => logDensity(d, x)), density = [a, b].map((l) => l.map(Math.exp));
  const y = x.map((u) => locate(knots, u).reduce((sum, [i, w]) => sum + w * v[i], 0));
  const gap = x.map((_, i) => Math.max(0, row.integrand(a[i], b[i]) - density[0][i] * row.h(y[i]) + density[1][i] * row.penalty(y[i])));
  const bottom = total(width) - 24, middle = 0.36 * bottom, narrow = width < 480;
  const sides = { left: narrow ? 34 : 44, right: width - (narrow ? 58 : 62), x: limits };
  const upper = panel(context, ink, { ...sides, top: 6, bottom: middle - 8, y: [0, roundUp(1.04 * Math.max(...density[0], ...density[1]))] });
  upper.frame({ below: false });
  upper.fill(x, gap, "--gn-other", 0.3);
  upper.line(x, gap, "--gn-other", 1);
  upper.fill(x, density[0], "--gn-p", 0.12);
  upper.line(x, density[0], "--gn-p");
  upper.line(x, density[1], "--gn-q", 2.25, [8, 4]);
  Object.assign(box, { ...sides, top: middle + 8, bottom });
  const lower = panel(context, ink, { ...box, y: outputs });
  lower.frame({ right: ticks(outputs, (bottom - middle) / 40).map(([u]) => [u, short(row.h(u))]) });
  lower.line(x, x.map((_, i) => clamp(row.best(a[i] - b[i]), 2 * outputs[0], 2 * outputs[1])), "--gn-best", 1.75, [2, 4]);
  lower.line(x, y, "--gn-D", 2.5);
  context.fillStyle = ink("--gn-text");
  write(context, "v", sides.left + 7, middle + 25, "left", "italic 15px Georgia, serif");
  write(context, "t", sides.right - 7, middle + 25, "right", "italic 15px Georgia, serif");
}

// The terms of the bound, as bars on one scale around zero: the column adds up, twice. `reach` is where the bars end.
function termBars() {
  const terms = TERMS.map(([key, words, colour]) => {
    const value = element("span", { class: "gn-value" }), bar = element("span", { class: "gn-fill", style: `background:var(${colour})` });
    const show = (numbers, reach) => {
      const v = key === "cost" ? -numbers.cost : numbers[key], [from, to] = key === "gap" ? [numbers.bound, numbers.truth] : [0, v];
      const percent = (u) => clamp(50 + (50 * u) / reach, 0, 100);
      value.textContent = amount(v, v === Infinity);
      bar.style.left = `${percent(Math.min(from, to))}%`;
      bar.style.width = `${percent(Math.max(from, to)) - percent(Math.min(from, to))}%`;
      bar.classList.toggle("gn-over", Math.abs(to) > reach);
    };
    return { show, node: element("div", { class: `gn-measure gn-term gn-${key}` }, element("span", { class: "gn-name" }, ...maths(words)), value, element("span", { class: "gn-bars", "aria-hidden": "true" }, bar)) };
  });
  return { nodes: terms.map((t) => t.node), show: (...numbers) => terms.forEach((t) => t.show(...numbers)) };
}

// One scale as long as the row is the same: the game's terms at the critic v = 0 and at the best one.
function reachOf({ evaluate, optimum, inside }, key, knots) {
  const ends = [knots.map(() => inside(0)), optimum(key)].map((v) => evaluate(key, v));
  const sizes = ends.flatMap(({ reward, cost, bound, truth }) => [reward, cost, bound, truth]).filter(Number.isFinite);
  return roundUp(1.2 * Math.max(0.1, ...sizes.map(Math.abs)));
}

function render({ model, el }) {
  const [p, q, knots, limits, outputs] = ["p", "q", "x", "limits", "outputs"].map((trait) => model.get(trait));
  const game = bound(p, q, knots, outputs, CHOICES), box = {}, set = setter(model), voice = announcer(), reaches = {};
  const setting = () => ({ p, q, knots, limits, outputs, row: ROWS[model.get("f")], v: model.get("v") });
  const { canvas, stage, paint, stop } = chart(total, (context, width, ink) => {
    draw(setting(), box, context, width, ink);
    sliders.place(box);
  });
  const sliders = knotSliders({ knots, limits, outputs, name: (x) => `v at x = ${number(x)}` }, (i, value) => set({ v: model.get("v").with(i, value) })), bars = termBars();
  stage.classList.add("gn-knots");
  stage.append(...sliders.inputs);

  const pick = select({ label: "Divergence", options: CHOICES.map((key) => [key, plain(ROWS[key].label)]), pick: (f) => set({ f }) });
  const climb = (n) => () => {
    let v = model.get("v");
    for (let i = 0; i < n; i++) v = game.ascend(model.get("f"), v);
    set({ v });
  };
  const formula = element("p", { class: "gn-formula gn-maths" });
  const refresh = () => {
    const key = model.get("f"), row = ROWS[key], v = model.get("v"), numbers = game.evaluate(key, v);
    numbers.gap = numbers.truth - numbers.bound;
    bars.show(numbers, (reaches[key] ??= reachOf(game, key, knots)));
    pick.show(key);
    sliders.show(v, (y) => `v = ${number(y)}, t = ${amount(row.h(y))}`);
    formula.replaceChildren(...maths(`t = h_{f}(v) = ${row.link},\u2003f*(t) = ${row.conjugate},\u2003${row.domain}`));
    const said = `${plain(row.label)}: bound ${amount(numbers.bound)} of ${amount(numbers.truth, numbers.truth === Infinity)}, gap ${amount(numbers.gap, numbers.gap === Infinity)}`;
    canvas.setAttribute("aria-label", `p: ${describe(p)}; q: ${describe(q)}; ${said}; v at the knots: ${v.map((y) => number(y)).join(", ")}`);
    paint();
    voice.say(said);
  };

  card(model, el, "critic", "Critic explorer",
    legend([swatch("--gn-p", { fill: 0.12 }), symbol("p")], [swatch("--gn-q", { dash: "8 4", width: 2.25 }), symbol("q")],
      [swatch("--gn-other", { fill: 0.3, width: 1 }), "the gap, by ", symbol("x")], [swatch("--gn-D", { width: 2.5 }), "critic ", symbol("v")],
      [swatch("--gn-best", { dash: "2 4", width: 1.75 }), "optimum ", symbol("t*")]),
    stage,
    element("div", { class: "gn-halves" },
      element("div", {}, pick.node, formula,
        element("div", { class: "gn-buttons" }, button("Ascend", climb(1)), button("20 steps", climb(20)),
          button("Follow t*", () => set({ v: game.optimum(model.get("f")) })), button("Reset", () => set({ v: knots.map(() => 0) })))),
      element("div", { class: "gn-measures" }, ...bars.nodes)),
    voice.node);
  canvas.gannotes = game;
  return follow(model, "change", refresh, voice.stop, stop);
}

export default { render };

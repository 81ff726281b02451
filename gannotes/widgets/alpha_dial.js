// One dial: a Gaussian that follows a minimum of Minka's divergence while alpha turns, and what it misses and makes up.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, dotMark, legend, panel, swatch } from "./charts.js";
import { button, select, setter, slider } from "./controls.js";
import { alphaRow, amount, describe, divergence, GRID, lattice, logDensity } from "./divergences.js";
import { element, maths, symbol } from "./elements.js";
import { fit } from "./fit.js";
import { clamp, number, roundUp, spread } from "./numbers.js";
import { prefersStill, walk } from "./walk.js";

const ALPHAS = [-2, 3], STEP = 0.05, SPEED = 1, TENTH = Math.log(10), QUICK = { grid: lattice(301, 6), tolerance: 1e-5 }; // speed: alpha a second
const METERS = [["missed", "missed: data where q < p/10", "--gn-p"], ["madeUp", "made up: samples where p < q/10", "--gn-q"]];
const total = (width) => clamp(0.66 * width, 250, 400);

// q at alpha = b, from q at alpha = a: in small steps, from minimum to minimum; `passed` is told of each.
export function turn(p, q, a, b, passed = () => {}) {
  const count = Math.max(1, Math.ceil(Math.abs(b - a) / STEP - 1e-9));
  for (let i = 1; i <= count; i++) {
    const at = i === count ? b : a + ((b - a) * i) / count, next = fit(alphaRow(at), p, q, { ...QUICK, reaches: [0.05] }).q;
    passed(at, next, Math.abs(next.means[0] - q.means[0]) > 0.5);
    q = next;
  }
  return q;
}

// The share of the data that q gives less than a tenth of their density, and that of q's samples that p does.
export function shares(p, q) {
  const lp = logDensity(p, GRID.x), lq = logDensity(q, GRID.x);
  const share = (one, other) => one.reduce((sum, l, i) => sum + (other[i] < l - TENTH ? Math.exp(l) * GRID.dx[i] : 0), 0);
  return { missed: share(lp, lq), madeUp: share(lq, lp) };
}

// Above, both densities with the two mistakes shaded; below, where the mean of q has been while alpha turned.
function draw(limits, { p, q, a }, trail, context, width, ink) {
  const x = spread(limits, Math.ceil(width / 1.5)), [lp, lq] = [p, q].map((d) => logDensity(d, x)), [u, v] = [lp, lq].map((l) => l.map(Math.exp));
  const bottom = total(width) - 24, middle = 0.58 * bottom, sides = { left: 44, right: width - 10 };
  const upper = panel(context, ink, { ...sides, x: limits, top: 6, bottom: middle - 14, y: [0, roundUp(1.04 * Math.max(...u, ...v))] });
  upper.frame();
  upper.fill(x, u, "--gn-p", 0.1);
  upper.fill(x, u.map((d, i) => (lq[i] < lp[i] - TENTH ? d : 0)), "--gn-p", 0.5);
  upper.fill(x, v.map((d, i) => (lp[i] < lq[i] - TENTH ? d : 0)), "--gn-q", 0.5);
  upper.line(x, u, "--gn-p");
  upper.line(x, v, "--gn-q", 2.25, [8, 4]);
  const lower = panel(context, ink, { ...sides, x: ALPHAS, top: middle + 14, bottom, y: [-4.5, 4.5] });
  lower.frame();
  lower.dots(trail.flat(), "--gn-q", { radius: 1.8, alpha: 0.55 });
  lower.dots([a, q.means[0]], "--gn-card", { radius: 7, alpha: 1 });
  lower.dots([a, q.means[0]], "--gn-q", { radius: 5.5, alpha: 1 });
}

function meters() {
  const rows = METERS.map(([key, words, colour]) => {
    const bar = element("span", { class: "gn-fill", style: `background:var(${colour})` }), value = element("span", { class: "gn-value" });
    const node = element("div", { class: "gn-meter" }, element("span", {}, ...maths(words)), element("span", { class: "gn-bars", "aria-hidden": "true" }, bar), value);
    const show = (found) => {
      value.textContent = `${number(100 * found[key], 0)} %`;
      bar.style.width = `${100 * found[key]}%`;
    };
    return { node, show };
  });
  return { nodes: rows.map((row) => row.node), show: (found) => rows.forEach((row) => row.show(found)) };
}

function render({ model, el }) {
  const pairs = model.get("pairs"), limits = model.get("limits"), write = setter(model), voice = announcer(), bars = meters();
  const state = () => ({ p: model.get("p"), q: model.get("q"), a: model.get("a") }), origin = state();
  let trail = [], goals = [], jumped = "";
  const note = (a, q, jump) => {
    trail.push([a, q.means[0]]);
    if (jump) jumped = ` It has jumped, at \u03b1 = ${number(a)}.`;
  };
  const move = (a) => {
    const { p, q, a: before } = state();
    jumped = "";
    write({ a, q: turn(p, q, before, a, note) });
  };
  // Over all settings, down and then up: what jumps does so at another place on the way back.
  const sweep = walk((seconds) => {
    const { a } = state(), left = goals[0] - a, size = Math.min(Math.abs(left), SPEED * seconds);
    move(size === Math.abs(left) ? goals.shift() : a + Math.sign(left) * size);
    return goals.length > 0;
  }, (running) => (play.textContent = running ? "Pause" : "Sweep"));
  const play = button("Sweep", () => {
    if (sweep.running) return sweep.end();
    goals = [...ALPHAS];
    if (prefersStill()) goals.forEach(move);
    else sweep.start();
  });
  const begin = (p) => {
    sweep.end();
    trail = [];
    const { a, q } = origin, start = fit(alphaRow(ALPHAS[1]), p, q, QUICK).q;
    trail.push([ALPHAS[1], start.means[0]]);
    const last = turn(p, start, ALPHAS[1], a, note);
    jumped = "";
    write({ p, q: last, a });
  };
  const pick = select({ name: "Density p", options: pairs.map(({ name }) => [name, name]), pick: (_, i) => begin(pairs[i].p) });
  const alpha = slider({ label: symbol("\u03b1"), name: "alpha", min: ALPHAS[0], max: ALPHAS[1], step: STEP, input: (a) => {
    sweep.end();
    move(a);
  } });
  const { canvas, stage, paint, stop } = chart(total, (...at) => draw(limits, state(), trail, ...at)), words = element("p", { class: "gn-note" });
  const refresh = () => {
    const { p, q, a } = state(), found = shares(p, q), size = amount(divergence(alphaRow(a), p, q));
    alpha.show(a);
    bars.show(found);
    words.replaceChildren(symbol("q"), ` = ${describe(q)}, `, symbol("D_\u03b1"), ` = ${size}.${jumped}`);
    canvas.setAttribute("aria-label", `p: ${describe(p)}; q: ${describe(q)}, the Gaussian that alpha = ${number(a)} chooses; below, its mean at ${trail.length} settings of alpha`);
    paint();
    voice.say(`alpha = ${number(a)}: q = ${describe(q)}; missed ${number(100 * found.missed, 0)} %, made up ${number(100 * found.madeUp, 0)} %.${jumped}`);
  };
  card(model, el, "alpha", "One dial",
    legend([swatch("--gn-p", { fill: 0.14 }), symbol("p")], [swatch("--gn-q", { dash: "8 4", width: 2.25 }), symbol("q"), ", the best Gaussian"],
      [dotMark("--gn-q"), "below: the mean of ", symbol("q"), " over ", symbol("\u03b1")]),
    stage, alpha.node, ...bars.nodes, words,
    element("div", { class: "gn-buttons" }, play, button("Reset", () => begin(state().p)), ...(pairs.length > 1 ? [pick.node] : [])), voice.node);
  canvas.gannotes = { turn, shares, trail: () => trail };
  begin(origin.p);
  return follow(model, "change", refresh, sweep.stop, voice.stop, stop);
}

export default { render };

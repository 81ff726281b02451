// Two players with a number each: where their rounds lead in the plane, and the eigenvalues of a round on the unit circle.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, panel } from "./charts.js";
import { button, check, radios, setter, slider } from "./controls.js";
import { eigenvalues, path } from "./dirac.js";
import { element, symbol } from "./elements.js";
import { clamp, number } from "./numbers.js";
import { prefersStill, walk } from "./walk.js";

const LIMIT = 2, EDGE = 1.6, PACE = 40; // rounds a second
const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const CIRCLE = Array.from({ length: 121 }, (_, i) => (i * Math.PI) / 60);
const SLIDERS = [["\u03b7_\u03b8", "rate of the generator", 0, 0.02, 2], ["\u03b7_\u03c8", "rate of the critic", 1, 0.02, 2], ["\u03b3", "penalty", 2, 0, 1.5]];
const at = (z) => `(${z.map((v) => number(v)).join(", ")})`;

// What the eigenvalues mean, in words.
function verdict(values) {
  const radius = Math.hypot(...values[0]), turns = values[0][1] !== 0, factor = `${number(radius, 3)} a round`;
  if (Math.abs(radius - 1) < 1e-9) return [radius, "round and round: neither nearer nor further"];
  if (radius > 1) return [radius, turns ? `spirals outwards, by ${factor}` : values[0][0] < 0 ? `overshoots, by ${factor}` : `runs away, by ${factor}`];
  return [radius, turns ? `spirals inwards, by ${factor}` : values[0][0] < 0 ? `overshoots, and calms down, by ${factor}` : `comes in without turning, by ${factor}`];
}

// The plane of the two numbers; `upto` states are drawn darker, and the last of them is marked.
function plane(now) {
  const box = {};
  const picture = chart((width) => width - 6, (context, width, ink) => {
    const { states, shown } = now(), flat = (from, to) => states.slice(from, to), last = states[Math.min(shown, states.length - 1)];
    Object.assign(box, { left: 48, right: width - 12, top: 6, bottom: width - 42, x: [-LIMIT, LIMIT], y: [-LIMIT, LIMIT] });
    const { X, frame, line, dots, cut } = panel(context, ink, box);
    frame({ names: ["\u03b8", "\u03c8"] });
    cut(() => {
      context.fillStyle = ink("--gn-line");
      context.fillRect(Math.round(X(0)), box.top, 1, box.bottom - box.top);
    });
    const draw = (part, width) => line(part.map(([theta]) => theta), part.map(([, psi]) => psi), "--gn-q", width);
    context.save();
    context.globalAlpha = 0.35;
    draw(states, 1);
    context.restore();
    draw(flat(0, shown + 1), 1.5);
    dots(flat(0, shown + 1).flat(), "--gn-q", { radius: 1.6 });
    dots([0, 0], "--gn-best", { radius: 6, alpha: 1, width: 2 });
    dots(states[0], "--gn-text", { radius: 5, alpha: 1 });
    dots(last, "--gn-D", { radius: 5, alpha: 1 });
  });
  // The state under the pointer.
  const under = (event) => {
    const { left, top } = picture.canvas.getBoundingClientRect(), share = (v, from, to) => clamp((v - from) / (to - from), 0, 1);
    return [share(event.clientX - left, box.left, box.right), share(event.clientY - top, box.bottom, box.top)].map((s) => +((2 * s - 1) * LIMIT).toFixed(2));
  };
  return { ...picture, under };
}

// Both eigenvalues beside the unit circle.
function circle(now) {
  return chart((width) => width + 4, (context, width, ink) => {
    const edge = { left: 32, right: width - 6, top: 6, bottom: width - 20, x: [-EDGE, EDGE], y: [-EDGE, EDGE] };
    const { frame, line, dots } = panel(context, ink, edge), { values } = now();
    frame();
    line(CIRCLE.map(Math.cos), CIRCLE.map(Math.sin), "--gn-best", 1.5, [3, 4]);
    const kept = values.map((pair) => pair.map((v) => clamp(v, -EDGE, EDGE)));
    dots(kept.flat(), Math.hypot(...values[0]) > 1 + 1e-9 ? "--gn-q" : "--gn-D", { radius: 5.5, alpha: 1 });
  });
}

// The surface that takes pointer and keys: a click is another start. A finger that moves up or down scrolls the page.
function surfaceOf(model, { stage, under }, choose, home) {
  const press = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in ARROWS || event.key === "Home")) return;
    event.preventDefault();
    const size = event.shiftKey ? 0.25 : 0.05;
    choose(event.key === "Home" ? home : model.get("start").map((v, k) => v + size * ARROWS[event.key][k]));
  };
  const node = element("div", {
    class: "gn-surface", tabindex: 0, role: "application", onkeydown: press,
    "aria-label": "The plane of the two players. The arrow keys move the start, with Shift in larger steps; Home brings it back.",
    onpointerdown: (event) => {
      if (event.button) return;
      node.setPointerCapture(event.pointerId);
      choose(under(event));
    },
    onpointermove: (event) => node.hasPointerCapture(event.pointerId) && choose(under(event)),
  }, stage);
  return node;
}

function render({ model, el }) {
  const traits = ["start", "eta", "gamma", "in_turn", "flip"], origin = Object.fromEntries(traits.map((t) => [t, model.get(t)])), rounds = model.get("rounds");
  const write = setter(model), voice = announcer(), now = {};
  const set = (change) => {
    run.end();
    write(change);
  };
  const choose = (start) => set({ start: start.map((v) => +clamp(v, -LIMIT, LIMIT).toFixed(2)) });
  const left = plane(() => now), right = circle(() => now);
  const run = walk((seconds) => {
    now.shown = Math.min(now.states.length - 1, now.shown + PACE * seconds);
    left.paint();
    return now.shown < now.states.length - 1;
  }, (running) => {
    play.textContent = running ? "Pause" : "Play";
    if (!running) now.shown = Math.floor(now.shown);
  });
  const play = button("Play", () => {
    if (run.running) return run.end();
    if (now.shown >= now.states.length - 1) now.shown = prefersStill() ? now.states.length - 1 : 0;
    if (!prefersStill()) run.start();
  });
  const rows = SLIDERS.map(([letter, name, k, min, max]) => slider({ label: symbol(letter), name, min, max, step: 0.01,
    input: (v) => set(k < 2 ? { eta: model.get("eta").with(k, v) } : { gamma: v }) }));
  const order = radios({ legend: "steps", group: "order", options: ["together", "in turn"].map((words) => element("span", {}, words)), pick: (i) => set({ in_turn: i === 1 }) });
  const flip = check("flip", (on) => set({ flip: on })), words = element("p", { class: "gn-note" });
  const refresh = () => {
    const rules = { eta: model.get("eta"), gamma: model.get("gamma"), inTurn: model.get("in_turn"), flip: model.get("flip") };
    now.values = eigenvalues(rules);
    now.states = path(model.get("start"), rules, rounds);
    now.shown = now.states.length - 1;
    const [radius, meaning] = verdict(now.values), [[real, imaginary]] = now.values;
    [...rules.eta, rules.gamma].forEach((v, k) => rows[k].show(v));
    order.show(+rules.inTurn);
    flip.show(rules.flip);
    const pair = imaginary ? `${number(real, 3)} \u00b1 ${number(imaginary, 3)} i` : now.values.map(([v]) => number(v, 3)).join(" and ");
    words.replaceChildren("Near the equilibrium |", symbol("\u03bb"), `| = ${number(radius, 4)}: ${meaning}.`);
    left.canvas.setAttribute("aria-label", `From ${at(now.states[0])} to ${at(now.states.at(-1))} in ${now.states.length - 1} rounds; equilibrium at (0, 0)`);
    right.canvas.setAttribute("aria-label", `Unit circle with the eigenvalues of a round near the equilibrium: ${pair}`);
    left.paint();
    right.paint();
    voice.say(`${meaning}; eigenvalues ${pair}`);
  };
  const figure = (node, ...text) => element("figure", {}, node, element("figcaption", {}, ...text));
  card(model, el, "dirac", "Dirac-GAN",
    element("div", { class: "gn-pair" }, figure(surfaceOf(model, left, choose, origin.start), "where the players go; click for another start"),
      figure(right.stage, "eigenvalues ", symbol("\u03bb"), " of a round, and the unit circle")),
    words, element("div", { class: "gn-rows" }, ...rows.map((row) => row.node)),
    element("div", { class: "gn-buttons" }, play, button("Reset", () => set(origin)), order.node, flip.node), voice.node);
  left.canvas.gannotes = { path, eigenvalues, now: () => now };
  return follow(model, "change", refresh, run.stop, voice.stop, left.stop, right.stop);
}

export default { render };

// A generator on the line that the reader bends: noise comes from below, samples leave to the right, and so does their density.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, legend, panel, rugMark, swatch } from "./charts.js";
import { button, setter } from "./controls.js";
import { amount, GRID, logDensity } from "./divergences.js";
import { element, symbol } from "./elements.js";
import { knotSliders } from "./knots.js";
import { clamp, number, roundUp, spread } from "./numbers.js";
import { atoms, density, distance, exact, generate, noises } from "./pushforward.js";

const NOISE = noises(40), RANGE = [-3, 3];
const total = (width) => clamp(0.62 * width, 280, 400);

// Left, the curve, with ticks of noise below and the way of each to the right; right, the densities of the data and of q.
function draw({ p, z, x, limits }, box, context, width, ink) {
  const y = spread(limits, 400), data = logDensity(p, y).map(Math.exp), model = density(z, x, y), bottom = total(width) - 24, split = Math.round(0.6 * width);
  Object.assign(box, { left: 34, right: split, top: 8, bottom, x: RANGE, y: limits });
  const left = panel(context, ink, box);
  left.frame();
  left.rug(NOISE, "--gn-muted");
  for (const noise of NOISE) {
    const made = generate(z, x, noise);
    left.line([noise, noise, RANGE[1]], [limits[0], made, made], "--gn-line", 1);
  }
  left.line([RANGE[0], ...z, RANGE[1]], [generate(z, x, RANGE[0]), ...x, generate(z, x, RANGE[1])], "--gn-q", 2.5);
  const most = roundUp(Math.min(1.6, 1.04 * Math.max(0.5, ...data, ...model)));
  const right = panel(context, ink, { left: split + 22, right: width - 14, top: 8, bottom, x: [0, most], y: limits });
  right.frame({ bare: true });
  right.cut(() => {
    context.beginPath();
    context.moveTo(right.X(0), right.Y(limits[0]));
    y.forEach((v, i) => context.lineTo(right.X(data[i]), right.Y(v)));
    context.lineTo(right.X(0), right.Y(limits[1]));
    context.globalAlpha = 0.14;
    context.fillStyle = ink("--gn-p");
    context.fill();
  });
  right.line(data, y, "--gn-p");
  right.line(model, y, "--gn-q", 2.25, [8, 4]);
  for (const [at] of atoms(z, x)) right.line([0, most], [at, at], "--gn-q", 2.25);
  for (const noise of NOISE) right.line([0, 0.04 * most], [generate(z, x, noise), generate(z, x, noise)], "--gn-q", 1);
}

function render({ model, el }) {
  const [p, z, limits] = ["p", "z", "limits"].map((trait) => model.get(trait)), origin = model.get("x"), box = {}, set = setter(model), voice = announcer();
  const inside = (x) => x.map((v) => clamp(v, ...limits)), data = logDensity(p, GRID.x).map(Math.exp), state = () => ({ p, z, limits, x: model.get("x") });
  const sliders = knotSliders({ knots: z, limits: RANGE, outputs: limits, name: (v) => `G at z = ${number(v)}` }, (i, v) => set({ x: model.get("x").with(i, v) }));
  const { canvas, stage, paint, stop } = chart(total, (context, width, ink) => {
    draw(state(), box, context, width, ink);
    sliders.place(box);
  });
  stage.classList.add("gn-knots");
  stage.append(...sliders.inputs);
  const words = element("p", { class: "gn-note" });
  const measure = (x) => ({ distance: distance(data, density(z, x, GRID.x), GRID.dx), atom: atoms(z, x).reduce((sum, [, mass]) => sum + mass, 0) });
  const refresh = () => {
    const x = model.get("x"), found = measure(x), level = found.atom ? ` ${number(100 * found.atom, 0)} % of the samples lie on single numbers, where G is level.` : "";
    const folds = x.slice(1).filter((v, i) => v < x[i]).length, folded = folds && folds < x.length - 1 ? " G turns back: some numbers have several origins, and their densities add up." : "";
    sliders.show(x, (v) => `x = ${number(v)}`);
    words.replaceChildren("JS(", symbol("p"), ", ", symbol("q"), `) = ${amount(found.distance)}; 0 is perfect, log 2 = 0.69 is nothing in common.${level}${folded}`);
    canvas.setAttribute("aria-label", `Generator with x = ${x.map((v) => number(v)).join(", ")} at z = ${z.map((v) => number(v)).join(", ")}; Jensen-Shannon divergence to the data ${amount(found.distance)}`);
    paint();
    voice.say(`Jensen-Shannon divergence to the data ${amount(found.distance)}.${level}${folded}`);
  };
  card(model, el, "bender", "A generator to bend",
    legend([swatch("--gn-q", { width: 2.5 }), "generator ", symbol("x"), " = ", symbol("G"), "(", symbol("z"), ")"], [rugMark("--gn-muted"), "noise ", symbol("z")],
      [swatch("--gn-p", { fill: 0.14 }), "density of the data"], [swatch("--gn-q", { dash: "8 4", width: 2.25 }), "density ", symbol("q"), " of the samples"]),
    stage, words,
    element("div", { class: "gn-buttons" }, button("Straight", () => set({ x: inside(z) })),
      button("Exact at the knots", () => set({ x: inside(z.map((v) => exact(p, v))) })), button("Reset", () => set({ x: origin }))), voice.node);
  canvas.gannotes = { density: (x, points) => Array.from(density(z, x, points)), measure, exact: (v) => exact(p, v), generate: (x, v) => generate(z, x, v), atoms: (x) => atoms(z, x) };
  return follow(model, "change", refresh, voice.stop, stop);
}

export default { render };

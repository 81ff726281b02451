// A game on the line: densities of data and samples, below them the critic beside the best one, and the value as a thermometer.
import { panel } from "../../charts.js";
import { range } from "./history.js";
import { neutralValue, output } from "./values.js";

function densities(context, ink, box, { curves, samples, data }) {
  const { at, p, q } = curves, top = 1.15 * Math.max(...p, Math.min(2 * Math.max(...p), Math.max(...q)));
  const plot = panel(context, ink, { ...box, y: [0, top] });
  plot.fill(at, p, "--gn-p", 0.15);
  plot.line(at, p, "--gn-p");
  plot.line(at, q, "--gn-q", 2.5, [8, 4]);
  plot.rug(data.x.subarray(0, 120), "--gn-p");
  plot.rug(samples.x.subarray(0, 120), "--gn-q", true);
  plot.frame({ below: false, zero: false });
}

// Where neither density lives the best critic means nothing: it is drawn where either has a hundredth of its height.
function critics(context, ink, box, { curves, critic }, name) {
  const { letter, f, limits } = output(name), { at, p, q, best } = curves, floor = 0.01 * Math.max(...p);
  const alive = Array.from(at, (_, i) => p[i] > floor || q[i] > floor), pairs = name === "relativistic";
  const middle = pairs ? centre(best, alive) : 0, own = pairs ? centre(critic.v, alive) : 0;
  const t = Array.from(critic.v, (v) => f(pairs ? v - own : v + critic.middle));
  const wanted = Array.from(best, (v, i) => (alive[i] ? f(v - middle) : NaN));
  const y = limits ?? range([...t.filter((_, i) => alive[i]), ...wanted].filter(Number.isFinite), [], 0.1);
  const plot = panel(context, ink, { ...box, y });
  plot.line(at, t, "--gn-D", 2.5, [2, 3]);
  plot.line(Array.from(at).filter((_, i) => Number.isFinite(wanted[i])), wanted.filter(Number.isFinite), "--gn-best", 1.75, [9, 3, 2, 3]);
  plot.frame({ names: ["", letter] });
}
function centre(v, alive) {
  const live = Array.from(v).filter((u, i) => alive[i] && Number.isFinite(u));
  return live.reduce((s, u) => s + u, 0) / (live.length || 1);
}

// From the value of a critic that knows nothing, one nat; filled as far as this critic has come, with a mark at the best one.
function thermometer(context, ink, box, value, best, bound) {
  const low = neutralValue(bound, "gan"), x = [low, low + 1], plot = panel(context, ink, { ...box, x, y: [0, 1] }), end = plot.X(x[1]);
  const to = (v) => Math.min(plot.X(Math.max(v, low)), end);
  plot.cut(() => {
    context.fillStyle = ink("--gn-D");
    if (Number.isFinite(value)) context.fillRect(box.left, box.top, to(value) - box.left, box.bottom - box.top);
    if (best === undefined || best === null) return;
    context.fillStyle = ink("--gn-best");
    context.fillRect(to(best) - 2, box.top, 4, box.bottom - box.top); // at the end: it lies beyond
  });
  plot.frame({ zero: false, bare: true, names: ["", "V"] });
}

export function drawLine(context, width, ink, { layers, window, bound, last }) {
  if (!layers.curves) return;
  const sides = { left: 46, right: width - 16, x: window[0] };
  const bottom = lineHeight(width) - 70, middle = Math.round(0.55 * bottom);
  thermometer(context, ink, { ...sides, top: bottom + 32, bottom: bottom + 46 }, last("V"), last("best"), bound);
  densities(context, ink, { ...sides, top: 6, bottom: middle }, layers);
  critics(context, ink, { ...sides, top: middle + 16, bottom }, layers, bound);
}
export const lineHeight = (width) => (width < 350 ? 202 : 346);

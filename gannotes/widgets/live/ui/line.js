// A game on the line: densities of data and samples, and below them the critic beside the best one.
import { panel } from "../../charts.js";
import { range } from "./history.js";
import { output } from "./values.js";

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

export function drawLine(context, width, ink, { layers, window, bound }) {
  if (!layers.curves) return;
  const sides = { left: 46, right: width - 16, x: window[0] };
  const bottom = lineHeight(width) - 24, middle = Math.round(0.55 * bottom);
  densities(context, ink, { ...sides, top: 6, bottom: middle }, layers);
  critics(context, ink, { ...sides, top: middle + 16, bottom }, layers, bound);
}
export const lineHeight = (width) => (width < 300 ? 234 : 300);

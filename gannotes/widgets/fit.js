// The q nearest to p in one divergence, by a search without derivatives inside the sliders' ranges.
import { divergence, GRID, logDensity } from "./divergences.js";
import { clamp } from "./numbers.js";

export const MEANS = [-4, 4];
export const SDS = [0.2, 4];
export const WEIGHTS = [0.05, 0.95];

// The free numbers of q (means, logarithms of sds, log odds of the weights) and back, kept inside the ranges.
export const pack = ({ weights, means, sds }) => [...means, ...sds.map(Math.log), ...weights.slice(1).map((w) => Math.log(w / (1 - w)))];
export function unpack(z) {
  const M = z.length === 2 ? 1 : 2, w = z.slice(2 * M).map((o) => clamp(1 / (1 + Math.exp(-o)), ...WEIGHTS));
  const means = z.slice(0, M).map((m) => clamp(m, ...MEANS)), sds = z.slice(M, 2 * M).map((s) => clamp(Math.exp(s), ...SDS));
  return { weights: M === 1 ? [1] : [1 - w[0], w[0]], means, sds };
}

// Nelder and Mead's simplex: takes an infinite value for a bad one.
export function minimise(f, start, reach, tolerance = 1e-7) {
  const point = (z) => ({ z, value: f(z) }), n = start.length;
  let simplex = [point(start), ...start.map((_, i) => point(start.with(i, start[i] + reach)))];
  for (let step = 0; step < 150 * n; step++) {
    simplex.sort((a, b) => a.value - b.value);
    const [best, worst, second] = [simplex[0], simplex[n], simplex[n - 1]];
    if (Math.max(...simplex.map((s) => Math.max(...s.z.map((v, i) => Math.abs(v - best.z[i]))))) < tolerance) break;
    const centre = start.map((_, i) => simplex.slice(0, n).reduce((sum, s) => sum + s.z[i], 0) / n);
    const along = (t) => point(centre.map((c, i) => c + t * (c - worst.z[i])));
    const mirror = along(1);
    let next = mirror;
    if (mirror.value < best.value) {
      const far = along(2);
      if (far.value < mirror.value) next = far;
    } else if (!(mirror.value < second.value)) {
      next = along(mirror.value < worst.value ? 0.5 : -0.5);
      if (!(next.value < Math.min(mirror.value, worst.value))) {
        simplex = simplex.map((s, i) => (i ? point(s.z.map((v, j) => (v + best.z[j]) / 2)) : s));
        continue;
      }
    }
    simplex[n] = next;
  }
  return simplex.sort((a, b) => a.value - b.value)[0];
}

// The nearest local minimum from q, or, where q's divergence is infinite, from a density where it is not. The search
// starts anew with each of the `reaches`: a short one alone stays in the valley that q is in.
export function fit(row, p, q, { grid = GRID, reaches = [0.3, 0.05], tolerance } = {}) {
  const lp = logDensity(p, grid.x), M = q.means.length;
  const value = (z) => {
    const kept = unpack(z), D = divergence(row, p, kept, lp, null, grid);
    const beyond = pack(kept).reduce((sum, v, i) => sum + Math.abs(v - z[i]), 0); // else the outside is a plateau
    return D === Infinity ? D : D + (1 + Math.abs(D)) * beyond;
  };
  const mean = p.means.reduce((sum, m, i) => sum + p.weights[i] * m, 0);
  const deviation = Math.sqrt(p.means.reduce((sum, m, i) => sum + p.weights[i] * (p.sds[i] ** 2 + (m - mean) ** 2), 0));
  const like = (m, s) => pack({ weights: Array(M).fill(1 / M), means: Array(M).fill(m), sds: Array(M).fill(s) });
  const starts = [like(mean, Math.max(deviation, ...p.sds)), ...p.means.map((m, i) => like(m, p.sds[i]))];
  let z = pack(q);
  if (value(z) === Infinity) z = starts.sort((a, b) => value(a) - value(b))[0];
  let found = { z, value: Infinity };
  for (const reach of reaches) found = minimise(value, found.z, reach, tolerance);
  return { q: unpack(found.z), value: found.value };
}

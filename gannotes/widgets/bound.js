// The bound E_p[h(v)] - E_q[f*(h(v))] of a piecewise cubic critic, its gradient, and its maximum.
import { divergence, GRID, logDensity, ROWS } from "./divergences.js";
import { clamp } from "./numbers.js";

// v is Catmull and Rom's cubic between the knots, level at the outer ones and constant beyond: the up to four knots
// that it depends on at x, with their weights, [index, weight] each.
export function locate(knots, x) {
  const last = knots.length - 1, place = (x - knots[0]) / (knots[1] - knots[0]);
  const i = clamp(Math.floor(place), 0, last - 1), t = clamp(place - i, 0, 1), s = 1 - t;
  const weights = [[i, s * s * (1 + 2 * t)], [i + 1, t * t * (3 - 2 * t)]], left = (t * s * s) / 2, right = (t * t * s) / 2;
  if (i > 0) weights.push([i + 1, left], [i - 1, -left]);
  if (i < last - 1) weights.push([i, right], [i + 2, -right]);
  return weights;
}

// A x = b by Gauss's elimination; A is positive definite.
function solve(A, b) {
  const n = b.length, rows = A.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < n; k++)
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  const x = Array(n).fill(0);
  for (let i = n - 1; i >= 0; i--) x[i] = (rows[i][n] - rows[i].slice(i + 1, n).reduce((sum, a, j) => sum + a * x[i + 1 + j], 0)) / rows[i][i];
  return x;
}

export function bound(p, q, knots, [low, high], keys) {
  const lp = logDensity(p, GRID.x), lq = logDensity(q, GRID.x);
  const mass = (l) => l.map((v, i) => Math.exp(v) * GRID.dx[i]), all = [mass(lp), mass(lq)];
  const held = (_, i) => all[0][i] > 0 || all[1][i] > 0; // the rest of the line adds nothing
  const [P, Q] = all.map((m) => m.filter(held)), places = Array.from(GRID.x.filter(held), (x) => locate(knots, x));
  const truth = Object.fromEntries(keys.map((key) => [key, divergence(ROWS[key], p, q, lp, lq)]));
  const curve = (v) => places.map((weights) => weights.reduce((sum, [i, w]) => sum + w * v[i], 0));
  const inside = (y) => clamp(y, low, high);

  // E_p[t], E_q[f*(t)] and their difference.
  const evaluate = (key, v) => {
    const { h, penalty } = ROWS[key], values = curve(v);
    const reward = values.reduce((sum, y, i) => sum + P[i] * h(y), 0), cost = values.reduce((sum, y, i) => sum + Q[i] * penalty(y), 0);
    return { reward, cost, bound: reward - cost, truth: truth[key] };
  };
  const slope = (key, n, y) => P[n] * ROWS[key].dh(y) - Q[n] * ROWS[key].dpenalty(y);
  const gradient = (key, v) => {
    const g = v.map(() => 0);
    curve(v).forEach((y, n) => places[n].forEach(([i, w]) => (g[i] += w * slope(key, n, y))));
    return g;
  };
  // Minus the second derivatives, where the bound is concave; elsewhere their size, so that a step still ascends.
  const curvature = (key, v) => {
    const H = v.map((_, i) => v.map((_, j) => (i === j ? 1e-9 : 0))), e = 1e-4;
    curve(v).forEach((y, n) => {
      const c = Math.abs(slope(key, n, y + e) - slope(key, n, y - e)) / (2 * e);
      if (c > 1e-300) for (const [i, a] of places[n]) for (const [j, b] of places[n]) H[i][j] += a * b * c;
    });
    return H;
  };
  const better = (key, v, direction, rate) => {
    const now = evaluate(key, v).bound;
    for (; rate > 1e-6; rate /= 2) {
      const next = v.map((y, i) => inside(y + rate * direction[i]));
      if (evaluate(key, next).bound > now) return next;
    }
    return v;
  };
  // A step along the gradient, halved until the bound rises.
  const ascend = (key, v) => better(key, v, gradient(key, v), 4);
  // v* at the knots, where h(v*) = f'(p/q): what a critic without knots would be there.
  const follow = (key) => {
    const at = Float64Array.from(knots), [a, b] = [p, q].map((d) => logDensity(d, at));
    return Array.from(at, (_, i) => inside(ROWS[key].best(a[i] - b[i])));
  };
  // The best knots: Newton's steps from v*, with the knots left out that stand at a limit and want beyond it.
  const optimum = (key) => {
    let v = follow(key);
    for (let step = 0; step < 40; step++) {
      const g = gradient(key, v), free = v.map((y, i) => !((y === low && g[i] < 0) || (y === high && g[i] > 0)));
      if (g.every((d, i) => !free[i] || Math.abs(d) < 1e-9)) break;
      const H = curvature(key, v).map((row, i) => row.map((h, j) => (i === j ? h : free[i] && free[j] ? h : 0)));
      const next = better(key, v, solve(H, g.map((d, i) => (free[i] ? d : 0))), 1);
      if (next === v) break;
      v = next;
    }
    return v;
  };
  return { evaluate, gradient, ascend, optimum, inside };
}

// Standard normal noise pushed through a curve of straight pieces, which go on beyond its outer knots.
import { Phi, quantile } from "./normal.js";

const normal = (z) => Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
const pieces = (z, x) => z.slice(1).map((_, i) => ({
  z: z[i], x: x[i], slope: (x[i + 1] - x[i]) / (z[i + 1] - z[i]),
  from: i ? z[i] : -Infinity, to: i === z.length - 2 ? Infinity : z[i + 1],
}));

// x at one z.
export function generate(z, x, noise) {
  const piece = pieces(z, x).find(({ to }) => noise < to);
  return piece.x + piece.slope * (noise - piece.z);
}

// The density at each of the points: p_0(z) / |G'(z)|, summed over all z that are sent there.
export function density(z, x, points) {
  const steep = pieces(z, x).filter(({ slope }) => slope !== 0);
  return Float64Array.from(points, (point) => steep.reduce((sum, piece) => {
    const at = piece.z + (point - piece.x) / piece.slope;
    return at >= piece.from && at < piece.to ? sum + normal(at) / Math.abs(piece.slope) : sum;
  }, 0));
}

// A level piece makes one number again and again: [x, the share of the samples].
export const atoms = (z, x) => pieces(z, x).filter(({ slope }) => slope === 0).map((piece) => [piece.x, Phi(piece.to) - Phi(piece.from)]);

// Halved Jensen-Shannon of a density p and of q, which has the rest of its mass in atoms, where p has none.
export function distance(p, q, dx) {
  const half = (a, b) => (a > 0 ? a * Math.log((2 * a) / (a + b)) : 0);
  let sum = 0, mass = 0;
  for (let i = 0; i < p.length; i++) {
    sum += (half(p[i], q[i]) + half(q[i], p[i])) * dx[i];
    mass += q[i] * dx[i];
  }
  return (sum + Math.max(0, 1 - mass) * Math.LN2) / 2;
}

// The z-th quantile of a mixture: what an exact generator makes of z.
export function exact({ weights, means, sds }, z) {
  const u = Phi(z), law = (x) => weights.reduce((sum, w, m) => sum + w * Phi((x - means[m]) / sds[m]), 0);
  let low = Math.min(...means.map((m, i) => m - 9 * sds[i])), high = Math.max(...means.map((m, i) => m + 9 * sds[i]));
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (law(middle) < u) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// `count` numbers of noise that stand for all of it.
export const noises = (count) => Array.from({ length: count }, (_, i) => quantile((i + 0.5) / count));

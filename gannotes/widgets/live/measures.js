// Numbers about two laws. Each has its counterpart in the package, against which it is tested: gannotes.divergences on
// probabilities or on a grid, gannotes.metrics.mode_coverage. A number from samples is biased: draw its floor beside it,
// the same number of two samples of one law.
import { squaredDistance } from "./toys.js";

// The shares of samples (one after the other) in bins^d equal cells of a window [[low, high], ...]; the last one is outside.
export function histogram(xs, window, bins) {
  const d = window.length, n = xs.length / d, out = new Float64Array(bins ** d + 1);
  for (let i = 0; i < n; i++) {
    let cell = 0;
    for (let j = d - 1; j >= 0; j--) {
      const [low, high] = window[j], k = Math.floor(((xs[i * d + j] - low) / (high - low)) * bins);
      cell = cell < 0 || !(k >= 0 && k < bins) ? -1 : cell * bins + k;
    }
    out[cell < 0 ? bins ** d : cell] += 1 / n;
  }
  return out;
}

const xlogy = (lp, lq) => (lp === -Infinity ? 0 : Math.exp(lp) * (lp - lq));
const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
const pearson = (lp, lq) => (lp === -Infinity ? Math.exp(lq) : (Math.exp(lp - lq / 2) - Math.exp(lq / 2)) ** 2);
const towards = (lp, lq, lm) => xlogy(lp, lm) + xlogy(lq, lm);
function minka(lp, lq, a) {
  const p = Math.exp(lp), q = Math.exp(lq);
  if (a === 0) return p - q + xlogy(lq, lp);
  if (a === 1) return q - p + xlogy(lp, lq);
  const product = lp === -Infinity || lq === -Infinity ? emptyPower(lp, lq, a) : Math.exp(a * lp + (1 - a) * lq);
  return (a * p + (1 - a) * q - product) / (a * (1 - a));
}
// p^a q^(1 - a) where one of them is 0
const emptyPower = (lp, lq, a) => ((lp === -Infinity ? a : 1 - a) < 0 ? Infinity : 0);

// What the best critic of a bound attains where log p and log q are these: to be summed with the weights of the points.
const integrands = {
  kl: xlogy,
  reverse_kl: (lp, lq) => xlogy(lq, lp),
  pearson,
  neyman: (lp, lq) => pearson(lq, lp),
  squared_hellinger: (lp, lq) => (Math.exp(lp / 2) - Math.exp(lq / 2)) ** 2,
  jeffrey: (lp, lq) => xlogy(lp, lq) + xlogy(lq, lp),
  jensen_shannon: (lp, lq) => towards(lp, lq, logSum(lp, lq) - Math.LN2),
  gan: (lp, lq) => towards(lp, lq, logSum(lp, lq)),
  bernoulli: (lp, lq) => towards(lp, lq, logSum(lp, lq)),
  least_squares: (lp, lq) => -Math.exp(lp + lq - logSum(lp, lq)),
  total_variation: (lp, lq) => Math.abs(Math.exp(lp) - Math.exp(lq)) / 2,
};

// The value of the best critic, max over v of the bound, by quadrature; a divergence, or one with a constant.
export function best(name, logP, logQ, dx = 1) {
  if (name === "relativistic") return bestOfPairs(logP, logQ, dx);
  const a = /^alpha\((.+)\)$/.exec(name), integrand = a ? (lp, lq) => minka(lp, lq, Number(a[1])) : integrands[name];
  let sum = 0;
  for (let i = 0; i < logP.length; i++) if (logP[i] > -Infinity || logQ[i] > -Infinity) sum += integrand(logP[i], logQ[i]) * dx;
  return sum;
}
// E log sigma(v(x) - v(x')) at v = log p/q, the best critic of pairs; x' only where there is any q, x where there is any p.
function bestOfPairs(logP, logQ, dx) {
  const p = [...logP.keys()].filter((i) => logP[i] > -Infinity), q = [...logQ.keys()].filter((i) => logQ[i] > -Infinity);
  let sum = 0;
  for (const i of p) {
    for (const j of q) {
      const odds = logP[i] - logQ[i] - (logP[j] - logQ[j]); // infinite where one law is alone
      sum -= Math.exp(logP[i] + logQ[j]) * dx * dx * (odds > 0 ? Math.log1p(Math.exp(-odds)) : Math.log1p(Math.exp(odds)) - odds);
    }
  }
  return sum;
}
export const jensenShannon = (logP, logQ, dx = 1) => best("jensen_shannon", logP, logQ, dx) / 2;
export const logs = (shares) => shares.map(Math.log);

// I(c; x) from the shares of every pair: a list of rows, one for each code.
export function information(joint) {
  const columnShares = joint[0].map((_, k) => joint.reduce((s, row) => s + row[k], 0));
  let sum = 0;
  for (const row of joint) {
    const share = row.reduce((a, b) => a + b, 0);
    row.forEach((v, k) => (sum += v > 0 ? v * Math.log(v / (share * columnShares[k])) : 0));
  }
  return sum;
}

// Samples within `radius` standard deviations of the nearest centre: their share, and the share that each part holds.
export function coverage(xs, { d, centres, sds, parts }, radius = 3) {
  const n = xs.length / d, shares = new Float64Array(parts[parts.length - 1] + 1);
  for (let i = 0; i < n; i++) {
    const [nearest, square] = nearestCentre(xs, i * d, centres);
    if (square <= (radius * sds[nearest]) ** 2) shares[parts[nearest]] += 1 / n;
  }
  const near = shares.reduce((a, b) => a + b, 0);
  return { covered: shares.filter((share) => share > 0).length, parts: shares.length, near, shares };
}
function nearestCentre(xs, at, centres) {
  let nearest = 0, least = Infinity;
  for (let k = 0; k < centres.length; k++) {
    const square = squaredDistance(xs, at, centres[k]);
    if (square < least) nearest = k, least = square;
  }
  return [nearest, least];
}

// log of the mean of exp, weighted: log sum_k exp(terms_k) w
export function logIntegral(terms, weight) {
  let top = -Infinity, sum = 0;
  for (const v of terms) top = Math.max(top, v);
  if (top === -Infinity) return top;
  for (const v of terms) sum += Math.exp(v - top);
  return top + Math.log(sum * weight);
}

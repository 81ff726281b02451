// gannotes.bounds: what a critic's raw outputs [N, 1] on data and on samples say. The critic ascends each of them.
import { abs, add, exp, expm1, logsigmoid, mean, neg, plus, scale, softplus, square, sub, sum, tanh } from "./operations.js";

const power = (v, a) => (a === 0 ? v : scale(expm1(scale(v, a)), 1 / a));
const alphaRow = (a) => ({ activation: (v) => power(v, a - 1), penalty: (v) => power(v, a) });
const oneMinusExp = (v) => neg(expm1(neg(v)));

// The rows of gannotes.divergences: the activation h_f, and f* of it.
const divergenceRows = {
  kl: { activation: (v) => v, penalty: (v) => exp(plus(v, -1)) },
  reverse_kl: { activation: (v) => neg(exp(neg(v))), penalty: (v) => plus(v, -1) },
  pearson: { activation: (v) => v, penalty: (v) => add(scale(square(v), 0.25), v) },
  neyman: { activation: oneMinusExp, penalty: (v) => scale(expm1(scale(v, -0.5)), -2) },
  squared_hellinger: { activation: oneMinusExp, penalty: expm1 },
  jeffrey: { activation: (v) => sub(v, expm1(neg(v))), penalty: (v) => add(v, expm1(v)) },
  jensen_shannon: { activation: (v) => plus(logsigmoid(v), Math.LN2), penalty: (v) => plus(softplus(v), -Math.LN2) },
  gan: { activation: logsigmoid, penalty: softplus },
  total_variation: { activation: (v) => scale(tanh(v), 0.5), penalty: (v) => scale(tanh(v), 0.5) },
};
export const divergences = Object.keys(divergenceRows);

function variational({ activation, penalty }) {
  return (vp, vq) => sub(mean(activation(vp)), mean(penalty(vq)));
}
const named = {
  bernoulli: (vp, vq) => add(mean(logsigmoid(vp)), mean(logsigmoid(neg(vq)))),
  least_squares: (vp, vq) => neg(add(mean(square(plus(vp, -1))), mean(square(vq)))),
  relativistic: (vp, vq) => mean(logsigmoid(sub(vp, vq))),
};

// "bernoulli", "least_squares", "relativistic", a divergence such as "kl", or Minka's "alpha(0.5)".
export function bound(name) {
  const a = /^alpha\((.+)\)$/.exec(name);
  const row = a ? alphaRow(Number(a[1])) : divergenceRows[name];
  if (!named[name] && !row) throw new TypeError(`bound: expected one of ${[...Object.keys(named), ...divergences].join(", ")} or alpha(a), got ${name}`);
  return named[name] ?? variational(row);
}

// The raw output of the best critic where log p/q is this (of pairs: up to a constant).
const bestOutputs = {
  least_squares: (r) => 1 / (1 + Math.exp(-r)),
  kl: (r) => 1 + r,
  pearson: (r) => 2 * Math.expm1(r),
  neyman: (r) => 2 * r,
  squared_hellinger: (r) => r / 2,
  total_variation: (r) => (r === 0 ? 0 : r * Infinity),
};
export const bestOutput = (name) => bestOutputs[name] ?? ((r) => r);

// The raw output of a critic that cannot tell data from samples; null where any constant will do.
const neutralOutputs = new Map([["least_squares", 0.5], ["kl", 1], ["relativistic", null]]);
export const neutral = (name) => (neutralOutputs.has(name) ? neutralOutputs.get(name) : 0);

export const mutualInformation = (logQ, entropy) => plus(mean(logQ), entropy);
export const cycleLoss = (x, xCycled, y, yCycled) =>
  add(scale(sum(abs(sub(xCycled, x))), 1 / x.r), scale(sum(abs(sub(yCycled, y))), 1 / y.r));

// The table of f-divergences, as gannotes/divergences.py computes it: log densities in, and nothing leaves log
// space before the last sum. Densities are Gaussians or mixtures of Gaussians: {weights, means, sds}.
import { number } from "./numbers.js";

// K points x = sinh(u), u equidistant from -U to U: dense where the densities are, and 1.6 million wide for the slowest tail.
export function lattice(K, U) {
  const h = (2 * U) / (K - 1), u = Float64Array.from({ length: K }, (_, i) => -U + i * h);
  return { x: u.map(Math.sinh), dx: u.map((v) => h * Math.cosh(v)) };
}
export const GRID = lattice(8001, 15);

const TINY = 2 ** -1022; // a density that underflows must not turn a large logarithm into 0
const softplus = (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
const sigmoid = (v) => 1 / (1 + Math.exp(-v));
const logAddExp = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

export function logDensity({ weights, means, sds }, x) {
  const c = weights.map((w, m) => Math.log(w) - Math.log(sds[m]) - 0.5 * Math.log(2 * Math.PI));
  const term = (x, m) => c[m] - 0.5 * ((x - means[m]) / sds[m]) ** 2;
  return weights.length === 1 ? x.map((v) => term(v, 0)) : x.map((v) => means.reduce((sum, _, m) => (m ? logAddExp(sum, term(v, m)) : term(v, 0)), 0));
}

// Integrands q f(p/q) from log p and log q.
const plogpq = (lp, lq) => Math.max(Math.exp(lp), TINY) * (lp - lq);
const chi2 = (lp, lq) => (Math.exp(lp - lq / 2) - Math.exp(lq / 2)) ** 2;
const minka = (lp, lq, a) => {
  if (a > 0.5) return minka(lq, lp, 1 - a);
  const p = Math.exp(lp), q = Math.exp(lq), s = a * (lp - lq);
  if (a === 0) return p - q + plogpq(lq, lp);
  const power = Math.abs(s) < 1 ? q * Math.expm1(s) : Math.exp(a * lp + (1 - a) * lq) - q;
  return (p - q - power / a) / (1 - a);
};
const both = (lp, lq, lm) => plogpq(lp, lm) + plogpq(lq, lm);

// A row: its integrand; the exponent a of p^a q^(1-a) where a tail can make it infinite; and the bound's side, the
// activation h and the penalty f*(h(v)) with their derivatives, and v*, where h(v*) = f'(p/q), from L = log p/q.
// ^{} and _{} in the words are set as HTML.
export const ROWS = {
  kl: {
    label: "KL(p \u2016 q)", formula: "p log p/q", integrand: plogpq,
    link: "v", conjugate: "e^{t \u2212 1}", domain: "all t",
    h: (v) => v, dh: () => 1, penalty: (v) => Math.exp(v - 1), dpenalty: (v) => Math.exp(v - 1), best: (L) => 1 + L,
  },
  reverse_kl: {
    label: "KL(q \u2016 p)", formula: "q log q/p", integrand: (lp, lq) => plogpq(lq, lp),
    link: "\u2212e^{\u2212v}", conjugate: "\u22121 \u2212 log(\u2212t)", domain: "t < 0",
    h: (v) => -Math.exp(-v), dh: (v) => Math.exp(-v), penalty: (v) => v - 1, dpenalty: () => 1, best: (L) => L,
  },
  pearson: {
    label: "Pearson \u03c7\u00b2", formula: "(p \u2212 q)\u00b2 / q", integrand: chi2, power: 2,
    link: "v", conjugate: "t\u00b2/4 + t", domain: "all t",
    h: (v) => v, dh: () => 1, penalty: (v) => (v * v) / 4 + v, dpenalty: (v) => v / 2 + 1, best: (L) => 2 * Math.expm1(L),
  },
  neyman: {
    label: "Neyman \u03c7\u00b2", formula: "(p \u2212 q)\u00b2 / p", integrand: (lp, lq) => chi2(lq, lp), power: -1,
    link: "1 \u2212 e^{\u2212v}", conjugate: "2 \u2212 2\u221a(1 \u2212 t)", domain: "t \u2264 1",
    h: (v) => -Math.expm1(-v), dh: (v) => Math.exp(-v), penalty: (v) => -2 * Math.expm1(-v / 2), dpenalty: (v) => Math.exp(-v / 2), best: (L) => 2 * L,
  },
  squared_hellinger: {
    label: "squared Hellinger", formula: "(\u221ap \u2212 \u221aq)\u00b2", integrand: (lp, lq) => (Math.exp(lp / 2) - Math.exp(lq / 2)) ** 2,
    link: "1 \u2212 e^{\u2212v}", conjugate: "t / (1 \u2212 t)", domain: "t < 1",
    h: (v) => -Math.expm1(-v), dh: (v) => Math.exp(-v), penalty: Math.expm1, dpenalty: Math.exp, best: (L) => L / 2,
  },
  jeffrey: {
    label: "Jeffrey", formula: "(p \u2212 q) log p/q", integrand: (lp, lq) => plogpq(lp, lq) + plogpq(lq, lp),
    link: "v + 1 \u2212 e^{\u2212v}", conjugate: "e^{v} + v \u2212 1", domain: "all t",
    h: (v) => v - Math.expm1(-v), dh: (v) => 1 + Math.exp(-v), penalty: (v) => v + Math.expm1(v), dpenalty: (v) => 1 + Math.exp(v), best: (L) => L,
  },
  jensen_shannon: {
    label: "2 JS (f-GAN)", formula: "p log 2p/(p + q) + q log 2q/(p + q)",
    integrand: (lp, lq) => both(lp, lq, logAddExp(lp, lq) - Math.LN2),
    link: "log 2\u03c3(v)", conjugate: "\u2212log(2 \u2212 e^{t})", domain: "t < log 2",
    h: (v) => Math.LN2 - softplus(-v), dh: (v) => sigmoid(-v), penalty: (v) => softplus(v) - Math.LN2, dpenalty: sigmoid, best: (L) => L,
  },
  half_jensen_shannon: {
    label: "JS (at most log 2)", formula: "\u00bd p log 2p/(p + q) + \u00bd q log 2q/(p + q)",
    integrand: (lp, lq) => both(lp, lq, logAddExp(lp, lq) - Math.LN2) / 2,
  },
  gan: {
    label: "2 JS \u2212 log 4 (GAN)", formula: "p log p/(p + q) + q log q/(p + q)", integrand: (lp, lq) => both(lp, lq, logAddExp(lp, lq)),
    link: "log \u03c3(v)", conjugate: "\u2212log(1 \u2212 e^{t})", domain: "t < 0",
    h: (v) => -softplus(-v), dh: (v) => sigmoid(-v), penalty: softplus, dpenalty: sigmoid, best: (L) => L,
  },
  total_variation: {
    label: "total variation", formula: "\u00bd |p \u2212 q|", integrand: (lp, lq) => Math.abs(Math.exp(lp) - Math.exp(lq)) / 2,
    link: "\u00bd tanh v", conjugate: "t", domain: "|t| \u2264 \u00bd",
    h: (v) => Math.tanh(v) / 2, dh: (v) => (1 - Math.tanh(v) ** 2) / 2, penalty: (v) => Math.tanh(v) / 2, dpenalty: (v) => (1 - Math.tanh(v) ** 2) / 2,
    best: (L) => L * Infinity || 0,
  },
};

const MINKA = "(\u03b1\u2009p + (1 \u2212 \u03b1)\u2009q \u2212 p^{\u03b1}q^{1 \u2212 \u03b1}) / \u03b1(1 \u2212 \u03b1)";
export function alphaRow(a) {
  const power = (v, a) => (a === 0 ? v : Math.expm1(a * v) / a);
  return {
    label: `D_{\u03b1}, \u03b1 = ${number(a)}`, integrand: (lp, lq) => minka(lp, lq, a), power: a > 1 || a < 0 ? a : null,
    formula: a === 0 ? "p \u2212 q + q log q/p" : a === 1 ? "q \u2212 p + p log p/q" : MINKA,
    h: (v) => power(v, a - 1), dh: (v) => Math.exp((a - 1) * v), penalty: (v) => power(v, a), dpenalty: (v) => Math.exp(a * v), best: (L) => L,
  };
}
ROWS["alpha(0.5)"] = { ...alphaRow(0.5), label: "D_{\u03b1}, \u03b1 = \u00bd", link: "2 \u2212 2e^{\u2212v/2}", conjugate: "2t / (2 \u2212 t)", domain: "t < 2" };

// In each tail a mixture is its widest component, of several the outermost: p^a q^(1-a) is exp(-c x^2/2 + b x) there.
export function infinite(a, p, q) {
  const tail = ({ means, sds }, side) => {
    const s = Math.max(...sds), m = side * Math.max(...means.filter((_, i) => sds[i] === s).map((v) => side * v));
    return [1 / (s * s), (side * m) / (s * s)];
  };
  return [1, -1].some((side) => {
    const [cp, bp] = tail(p, side), [cq, bq] = tail(q, side), c = a * cp + (1 - a) * cq, b = a * bp + (1 - a) * bq;
    return Math.abs(c) > 1e-9 * Math.abs(a * cp) ? c < 0 : !(b < 0);
  });
}

export function divergence(row, p, q, lp, lq, grid = GRID) {
  if (row.power != null && infinite(row.power, p, q)) return Infinity;
  const [first, second] = [lp ?? logDensity(p, grid.x), lq ?? logDensity(q, grid.x)];
  let sum = 0;
  for (let i = 0; i < first.length; i++) sum += row.integrand(first[i], second[i]) * grid.dx[i];
  return sum;
}

// "0.3127" and "1.3 x 10^5" as text; what overflows is finite, only "infinite" is not.
const superscript = (n) => String(n).replace(/./g, (c) => (c === "-" ? "\u207b" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[c]));
export function amount(v, diverges = false) {
  if (diverges) return "\u221e";
  if (v === Infinity) return `> 10${superscript(308)}`;
  const size = Math.abs(v), exponent = Math.floor(Math.log10(size));
  if (size < 1e-7) return number(0, 4);
  if (size < 1e-3 || size >= 1e4) return `${number(v / 10 ** exponent)}\u00b710${superscript(exponent)}`;
  return number(v, 4 - Math.max(0, exponent));
}

export const describe = ({ weights, means, sds }) => means.map((m, i) =>
  `${weights.length > 1 ? `${number(weights[i])} ` : ""}N(${number(m)}, ${number(sds[i])}\u00b2)`).join(" + ");

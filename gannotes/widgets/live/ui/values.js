// What the values of a bound mean: the value of a critic that knows nothing, and what is drawn of a critic's raw outputs.
const LOG2 = Math.LN2;

// V for a critic that cannot tell data from samples.
export function neutralValue(name, model) {
  const one = { bernoulli: -2 * LOG2, gan: -2 * LOG2, least_squares: -0.5, relativistic: -LOG2 }[name] ?? 0;
  return model === "cyclegan" ? 2 * one : one;
}

const sigmoid = (v) => 1 / (1 + Math.exp(-v));
// The activation h_f of each divergence, a critic's raw output made a value that f* takes.
const activations = {
  reverse_kl: (v) => -Math.exp(-v),
  neyman: (v) => -Math.expm1(-v),
  squared_hellinger: (v) => -Math.expm1(-v),
  jeffrey: (v) => v - Math.expm1(-v),
  jensen_shannon: (v) => LOG2 + Math.log(sigmoid(v)),
  gan: (v) => Math.log(sigmoid(v)),
  total_variation: (v) => Math.tanh(v) / 2,
  bernoulli: sigmoid,
};
// Name and map of what is drawn on the line: D of a classifier, t of a divergence.
export function output(name) {
  const alpha = /^alpha\((.+)\)$/.exec(name), a = alpha ? Number(alpha[1]) - 1 : 1;
  const f = alpha ? (v) => (a === 0 ? v : Math.expm1(a * v) / a) : activations[name] ?? ((v) => v);
  const classifier = ["bernoulli", "least_squares", "relativistic"].includes(name);
  return { letter: classifier ? "D" : "t", f, limits: { bernoulli: [0, 1], total_variation: [-0.55, 0.55], gan: null }[name] ?? null };
}

export const BOUNDS = [
  ["bernoulli", "Bernoulli (GAN)"], ["least_squares", "least squares"], ["relativistic", "relativistic"],
  ["kl", "KL"], ["reverse_kl", "reverse KL"], ["pearson", "Pearson"], ["neyman", "Neyman"], ["squared_hellinger", "squared Hellinger"],
  ["jeffrey", "Jeffrey"], ["jensen_shannon", "Jensen\u2013Shannon"], ["gan", "GAN"], ["total_variation", "total variation"],
];

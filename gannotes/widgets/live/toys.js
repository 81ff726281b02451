// Data for the page, the densities of gannotes.data among them: samples, centres to count by, and log densities.
//   {law: "mixture", weights, means, sds}: a mixture of Gaussians on the line or in the plane,
//   {law: "moons", sd}, {law: "spiral", sd}: Gaussian noise around a curve,
//   {law: "points", points, sd}: points that are equally likely, drawn ones for example; sd = 0 repeats them.
// `centre` and `scale` in any of them: what the networks see is (x - centre) / scale, and all that is asked of a toy too.

const TAU = 2 * Math.PI, NODES = 400;
const curves = {
  moons(t) {
    const angle = Math.PI * (t < 0.5 ? 2 * t : 2 * t - 1);
    return t < 0.5 ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)];
  },
  spiral(t) {
    const r = Math.sqrt(t), angle = 3 * Math.PI * r;
    return [(2.2 * r + 0.15) * Math.cos(angle), (2.2 * r + 0.15) * Math.sin(angle)];
  },
};
const PARTS = 16; // of a curve, to count which are covered

// A toy: {d, labels, weights, sds, centres, parts, draw}; the centres stand for it, each belongs to one of the parts, and
// draw(source, out, at) writes a sample and returns its label.
export function toy(description) {
  const { law, centre = null, scale = 1, sd = 0 } = description;
  const place = (x) => Array.from(x, (v, i) => (v - (centre ? centre[i] : 0)) / scale);
  if (curves[law]) return curve(curves[law], place, { sd: sd / scale, scale, centre: centre ?? [0, 0] });
  const { means = description.points, weights = Array(means.length).fill(1 / means.length), sds = Array(means.length).fill(sd) } = description;
  return mixture(weights, means.map(place), sds.map((s) => s / scale));
}

function write(out, at, x, sd, { normal }) {
  for (let j = 0; j < x.length; j++) out[at + j] = sd ? x[j] + sd * normal() : x[j];
}
function mixture(weights, centres, sds) {
  const d = centres[0].length, parts = centres.map((_, k) => k);
  const draw = (source, out, at) => {
    let u = source.uniform(), k = 0;
    while (k < weights.length - 1 && u >= weights[k]) u -= weights[k++];
    write(out, at, centres[k], sds[k], source);
    return k;
  };
  return { d, labels: weights.length, weights, sds, centres, parts, pieces: "modes", draw };
}
function curve(at, place, { sd, scale, centre: [a, b] }) {
  const nodes = Array.from({ length: NODES }, (_, i) => (i + 0.5) / NODES), equal = (v) => Array(NODES).fill(v);
  const draw = (source, out, to) => {
    const t = source.uniform(), [x, y] = at(t);
    out[to] = (x - a) / scale + sd * source.normal();
    out[to + 1] = (y - b) / scale + sd * source.normal();
    return t < 0.5 ? 0 : 1;
  };
  return { d: 2, labels: 2, weights: equal(1 / NODES), sds: equal(sd), centres: nodes.map((t) => place(at(t))), parts: nodes.map((t) => Math.floor(t * PARTS)), pieces: "stretches", draw };
}

// n samples, one after the other, and their labels.
export function sampleToy({ d, draw }, n, source) {
  const x = new Float32Array(n * d), labels = new Uint16Array(n);
  for (let i = 0; i < n; i++) labels[i] = draw(source, x, i * d);
  return { x, labels };
}
// log p at points that lie one after the other: exact for mixtures, a sum over the nodes for a curve.
export function logDensity({ d, weights, sds, centres }, xs) {
  const constants = weights.map((w, k) => Math.log(w) - d * (Math.log(sds[k]) + Math.log(TAU) / 2));
  const out = new Float64Array(xs.length / d), terms = new Float64Array(weights.length);
  for (let i = 0; i < out.length; i++) {
    let top = -Infinity, s = 0;
    for (let k = 0; k < terms.length; k++) {
      terms[k] = constants[k] - squaredDistance(xs, i * d, centres[k]) / (2 * sds[k] ** 2);
      top = Math.max(top, terms[k]);
    }
    for (const term of terms) s += Math.exp(term - top);
    out[i] = top + Math.log(s);
  }
  return out;
}
export function squaredDistance(xs, from, centre) {
  let s = 0;
  for (let j = 0; j < centre.length; j++) s += (xs[from + j] - centre[j]) ** 2;
  return s;
}

// What can be drawn of a game, layer by layer: copies of numbers in the networks' coordinates, made of the running average of
// the generator's weights and with noise of their own, so that looking does not change the course of the game.
import { columns, gradients, mean, neg, scale } from "./operations.js";
import { bestOutput, bound, neutral } from "./bounds.js";
import { logStandard } from "./laws.js";
import { quantile } from "../normal.js";
import { histogram } from "./measures.js";
import { random } from "./random.js";
import { logDensity, sampleToy } from "./toys.js";

const SAMPLES = 500, ARROWS = 90, WARP = 21, PAIRS = 200, CLOUD = 400, MANY = 6000, ALONG = 240;

export class Pictures {
  constructor(game, { window = windowOf(game.toys[0]), side = 48, latent = [[-4, 4], [-4, 4]], label = 0, code = 0 } = {}) {
    Object.assign(this, { game, window, side, latent, label, code });
    const seed = game.spec.seed ?? 0;
    this.noise = () => random(seed + 2); // the same noise in every frame: points move, and do not flicker
    this.shown = sampleToy(game.toys[0], SAMPLES, random(seed + 3));
    this.other = game.toys[1] ? windowOf(game.toys[1]) : null;
    this.shownOther = game.toys[1] && sampleToy(game.toys[1], SAMPLES, random(seed + 4));
  }
  centres() {
    const { centres, sds, d } = this.game.toys[0];
    return { d, centres, sds };
  }
  // The layers of this name that the model has; null where there is none.
  layer(name) {
    const { spec, model } = this.game, make = layers[name]?.[spec.model] ?? layers[name]?.any;
    if (!layers[name]) throw new TypeError(`layer: expected one of ${Object.keys(layers).join(", ")}, got ${name}`);
    return make ? this.game.aside(this.noise(), () => make.call(this, model)) : null;
  }
  matrix(values, d) { return this.game.tape.tensor(values.length / d, d, values); }
  data(n = SAMPLES) { return this.matrix(this.shown.x.subarray(0, n * this.game.toys[0].d), this.game.toys[0].d); }
  labels(n, of = (i) => i) {
    const { labels } = this.game.toys[0], u = this.game.tape.constant(n, labels, 0);
    for (let i = 0; i < n; i++) this.game.tape.heap[u.at + i * labels + (of(i) % labels)] = 1;
    return u;
  }
  condition(n, of) { return this.game.spec.labelled ? this.labels(n, of) : null; }
}

const copy = (x) => x.values.slice();

// A square around the centres of a toy, or an interval.
export function windowOf({ d, centres, sds }) {
  const ranges = Array.from({ length: d }, (_, j) => {
    const reach = Math.max(...sds) * 4;
    return [Math.min(...centres.map((c) => c[j])) - reach, Math.max(...centres.map((c) => c[j])) + reach];
  });
  const half = 0.6 * Math.max(...ranges.map(([low, high]) => high - low));
  return ranges.map(([low, high]) => [(low + high) / 2 - half, (low + high) / 2 + half]);
}
// The points of a grid one after the other, the first coordinate fastest; of an interval, `along` points.
export function gridPoints(window, side, along = ALONG) {
  const place = ([low, high], i, n) => low + ((high - low) * (i + 0.5)) / n;
  if (window.length === 1) return Float32Array.from({ length: along }, (_, i) => place(window[0], i, along));
  const out = new Float32Array(2 * side * side);
  for (let i = 0; i < side * side; i++) {
    out[2 * i] = place(window[0], i % side, side);
    out[2 * i + 1] = place(window[1], Math.floor(i / side), side);
  }
  return out;
}

// Raw outputs of a critic on the grid, less that of one that knows nothing (of pairs: less the mean at data and samples).
function field(D, x, middle) {
  const v = copy(D(x));
  return middle === 0 ? v : v.map((u) => u - middle);
}
function critic(model) {
  const { settings } = this.game, u = (n) => this.condition(n, () => this.label), d = this.game.toys[0].d;
  const name = settings.bound ?? "bernoulli";
  let middle = neutral(name);
  if (middle === null) {
    const x = this.data(), vp = model.critic(x, u(x.r)), vq = model.critic(model.sample(x.r, u(x.r)), u(x.r));
    middle = (mean(vp).item + mean(vq).item) / 2;
  }
  const points = gridPoints(this.window, this.side), x = this.matrix(points, d);
  return { v: field((a) => model.critic(a, u(a.r)), x, middle), middle, at: d === 1 ? points : null };
}

// The direction in which the generator's own objective wants each sample to go.
function arrows(model) {
  const { tape, settings } = this.game, u = this.condition(ARROWS), made = bound(settings.bound ?? "bernoulli");
  const from = copy(model.sample(ARROWS, u));
  tape.recording = true;
  const x = tape.variable(this.matrix(from, this.game.toys[0].d)), vq = model.critic(x, u), vp = model.critic(this.data(ARROWS), u);
  const objective = settings.flip === false ? neg(made(vp, vq)) : made(vq, vp);
  return { from, to: copy(scale(gradients(objective, [x])[0], ARROWS)) };
}

// The image of a grid whose cells hold equal shares of a two-dimensional base.
function warp(model) {
  const { law, d, low = -1, high = 1 } = this.game.spec.base;
  if (d !== 2 || law === "corners" || this.game.spec.labelled) return null;
  const at = (i) => (law === "normal" ? quantile((i + 0.5) / WARP) : low + ((high - low) * (i + 0.5)) / WARP);
  const z = Float32Array.from({ length: 2 * WARP * WARP }, (_, k) => at(k % 2 ? Math.floor((k >> 1) / WARP) : (k >> 1) % WARP));
  return { x: copy(model.G(this.matrix(z, 2))), side: WARP };
}

// On the line: the density of the data, that of the samples (exact for an affine generator), and the best critic.
function curves(model) {
  const { toys: [toy], settings } = this.game;
  if (toy.d !== 1) return null;
  const at = gridPoints(this.window, 0), logP = logDensity(toy, at), logQ = logSamples(this, model, at);
  const of = bestOutput(settings.bound ?? "bernoulli");
  return { at, p: logP.map(Math.exp), q: logQ.map(Math.exp), best: logP.map((l, i) => of(l - logQ[i])) };
}
function logSamples(pictures, model, at) {
  const gaussian = gaussianOf(pictures.game);
  if (gaussian) return Float64Array.from(at, (x) => -(((x - gaussian.mu) / gaussian.sigma) ** 2) / 2 - Math.log(gaussian.sigma * Math.sqrt(2 * Math.PI)));
  const [[low, high]] = pictures.window, bins = at.length, width = (high - low) / bins;
  const shares = histogram(copy(model.sample(8192)), pictures.window, bins).subarray(0, bins);
  return smooth(shares, 2).map((v) => Math.log(v / width));
}
// mu and sigma of an affine generator of N(0, 1), or null.
export function gaussianOf({ spec, networks }) {
  const layers = spec.networks.G.layers ?? [spec.networks.G];
  if (spec.base.law !== "normal" || spec.base.d !== 1 || layers.length !== 1 || layers[0].op !== "linear") return null;
  const [W, b] = networks.G.parameters;
  return { mu: b.item, sigma: Math.abs(W.item) };
}
// A Gaussian filter along a line of bins, which keeps the mass.
function smooth(shares, sd) {
  const out = new Float64Array(shares.length), reach = Math.ceil(3 * sd);
  for (let i = 0; i < shares.length; i++) {
    if (!shares[i]) continue;
    const near = [];
    for (let j = Math.max(0, i - reach); j <= Math.min(shares.length - 1, i + reach); j++) near.push(j);
    const weights = near.map((j) => Math.exp(-((j - i) ** 2) / (2 * sd * sd))), total = weights.reduce((a, b) => a + b);
    near.forEach((j, k) => (out[j] += (shares[i] * weights[k]) / total));
  }
  return out;
}

function samplesOfGan(model) {
  const { labelled } = this.game.spec, n = SAMPLES, labels = this.game.toys[0].labels;
  return { x: copy(model.sample(n, this.condition(n))), label: labelled ? Uint16Array.from({ length: n }, (_, i) => i % labels) : null };
}
function samplesOfInfo(model) {
  const { spec } = this.game, z = model.draw(spec.base, SAMPLES), c = model.draw(spec.code, SAMPLES);
  if (this.code > 0 && spec.code.continuous) for (let i = 0; i < SAMPLES; i++) c.values[(i + 1) * c.c - spec.code.continuous] = 2 * this.code - 1;
  return { x: copy(model.generate(z, c)), code: copy(c), label: classes(copy(c), c.c, spec.code.categorical[0] ?? 0) };
}
const classes = (c, width, K) => (K ? Uint16Array.from({ length: c.length / width }, (_, i) => c.subarray(i * width, i * width + K).indexOf(1)) : null);
function samplesOfDecoder(model) {
  const z = model.draw(this.game.spec.base, SAMPLES), law = model.decoder(z);
  return { x: copy(law.rsample ? law.rsample() : law.mean), z: copy(z), mean: copy(law.mean) };
}

// x, G(x), F(G(x)) and y, F(y), G(F(y)).
function translations({ G, F }) {
  const x = this.data(), y = this.matrix(this.shownOther.x, this.game.toys[1].d), yMade = G(x), xMade = F(y);
  const all = { x, yMade, xBack: F(yMade), y, xMade, yBack: G(xMade) };
  return Object.fromEntries(Object.entries(all).map(([name, a]) => [name, copy(a)]));
}
function criticsOfCycle({ D_X, D_Y }) {
  const middle = neutral(this.game.settings.bound ?? "least_squares") ?? 0;
  const of = (D, window) => field(D, this.matrix(gridPoints(window, this.side), 2), middle);
  return { X: of(D_X, this.window), Y: of(D_Y, windowOf(this.game.toys[1])), middle };
}

// The encoder's laws of the data shown, and the decoder's of its means.
function encoded(model) {
  const x = this.data(PAIRS), q = model.encoder(x), z = q.rsample(), p = model.decoder(q.mean ?? z);
  return { x: copy(x), z: copy(z), mean: q.mean && copy(q.mean), sd: q.sd ? copy(q.sd) : null, xMean: copy(p.mean), xSd: p.sd ? copy(p.sd) : null };
}
// The two joints of ALI: encoder pairs and decoder pairs, and where x comes back to.
function pairs(model) {
  const x = this.data(PAIRS), z = model.encoder(x).rsample(), from = model.draw(this.game.spec.base, PAIRS);
  return { x: copy(x), z: copy(z), xMade: copy(model.decoder(from).rsample()), zMade: copy(from), xBack: copy(model.decoder(z).rsample()) };
}
// On the plane of x and z, where both are on the line: the critic of pairs, and the best one, of p(x) q(z | x) and p(z) p(x | z).
function criticOfPairs({ D, encoder, decoder }) {
  const { spec, toys: [toy] } = this.game;
  if (toy.d !== 1 || spec.base.d !== 1) return null;
  const points = gridPoints([this.window[0], this.latent[0]], this.side), xz = this.matrix(points, 2), [x, z] = [columns(xz, 0, 1), columns(xz, 1, 2)];
  const name = this.game.settings.bound ?? "bernoulli", middle = neutral(name) ?? 0, of = bestOutput(name);
  const [q, p] = [encoder(x), decoder(z)], v = field(() => D(x, z), xz, middle);
  if (!q.logProb || !p.logProb) return { v, best: null };
  const logX = logDensity(toy, copy(x)), logQ = copy(q.logProb(z)), logP = copy(p.logProb(x)), logZ = copy(logStandard(z));
  return { v, best: v.map((_, i) => of(logX[i] + logQ[i] - logZ[i] - logP[i]) - middle) };
}
// For every centre of the data: samples of q(z | x), and on the latent grid the exact posterior; of the first also r and the best one.
function posteriors(model) {
  const { tape, toys: [{ centres }] } = this.game, points = gridPoints(this.latent, this.side);
  const grid = this.matrix(points, 2), law = model.decoder(grid), mark = tape.mark();
  return centres.slice(0, 8).map((centre, k) => {
    tape.begin(mark);
    const x = this.matrix(Float32Array.from(centre), centre.length), z = copy(model.encoder(x).rsample(CLOUD));
    const logJoint = law.logProb(x).values.map((l, i) => l - (points[2 * i] ** 2 + points[2 * i + 1] ** 2) / 2);
    const top = logJoint.reduce((a, b) => Math.max(a, b)), posterior = logJoint.map((l) => Math.exp(l - top));
    return { x: Float32Array.from(centre), z, posterior, ...(model.r && k === 0 ? ratios(this, model, x, grid) : {}) };
  });
}
// r at x on the latent grid, and the best one, log q(z | x) - log p_0(z), from a smoothed histogram of many samples.
function ratios({ latent, side }, model, x, grid) {
  const z = copy(model.encoder(x).rsample(MANY)), [[a, b], [c, d]] = latent, cell = ((b - a) * (d - c)) / side ** 2, points = grid.values;
  const shares = smoothPlane(histogram(z, latent, side).subarray(0, side * side), side, 1.5);
  const best = Float32Array.from(shares, (q, i) => Math.log(Math.max(q, 1e-12) / cell) + (points[2 * i] ** 2 + points[2 * i + 1] ** 2) / 2 + Math.log(2 * Math.PI));
  return { ratio: copy(model.r(grid, x)), best, shares: Float32Array.from(shares) };
}
function smoothPlane(shares, side, sd) {
  const turned = (v) => v.map((_, i) => v[(i % side) * side + Math.floor(i / side)]);
  const along = (v) => Float64Array.from(Array.from({ length: side }, (_, j) => [...smooth(v.subarray(j * side, (j + 1) * side), sd)]).flat());
  return turned(along(turned(along(shares))));
}

// name -> model -> function; "any" where the model has G, D and sample.
const layers = {
  data: { any() { return this.shown; }, cyclegan() { return { ...this.shown, y: this.shownOther.x }; } },
  samples: { gan: samplesOfGan, infogan: samplesOfInfo, vae: samplesOfDecoder, ali: samplesOfDecoder, avb: samplesOfDecoder },
  critic: { gan: critic, infogan: critic, cyclegan: criticsOfCycle, ali: criticOfPairs },
  arrows: { gan: arrows, infogan: arrows },
  warp: { gan: warp },
  curves: { gan: curves },
  translations: { cyclegan: translations },
  encoded: { vae: encoded, ali: encoded, avb: encoded },
  pairs: { ali: pairs },
  posteriors: { vae: posteriors, avb: posteriors },
};

// The numbers beside a picture: how far the samples are from the data, and each model's own quantities, with their floors.
import { mean, sub } from "./operations.js";
import { best, coverage, histogram, information, jensenShannon, logIntegral, logs } from "./measures.js";
import { gaussianOf, gridPoints, windowOf } from "./pictures.js";
import { random } from "./random.js";
import { logDensity, sampleToy } from "./toys.js";

const MANY = 4096, DATA = 60000, POINTS = 16, DRAWS = 64, HALF_LOG_2PI = Math.log(2 * Math.PI) / 2;

export class Numbers {
  constructor(game, pictures) {
    Object.assign(this, { game, pictures, source: random((game.spec.seed ?? 0) + 5) });
    this.references = game.toys.map((toy) => toy && this.reference(toy));
  }
  // A histogram of the data, and fresh data, which score the floor of every number from samples.
  reference(toy) {
    if (toy.d > 2) return null;
    const window = toy === this.game.toys[0] ? this.pictures.window : windowOf(toy), bins = toy.d === 1 ? 96 : 48;
    const data = sampleToy(toy, DATA, this.source).x, again = sampleToy(toy, MANY, this.source).x;
    const [logP, coarse] = [bins, bins / 2].map((n) => logs(histogram(data, window, n)));
    return { toy, window, bins, logP, coarse, again, counted: counted(again, toy), floors: {} };
  }
  get bound() { return this.game.settings.bound ?? (this.game.spec.model === "cyclegan" ? "least_squares" : "bernoulli"); }
  distance(xs, { window, bins, logP, coarse }) {
    const logQ = logs(histogram(xs, window, bins)), pairs = this.bound === "relativistic"; // sums over pairs of cells
    return { js: jensenShannon(logP, logQ), best: pairs ? best(this.bound, coarse, logs(histogram(xs, window, bins / 2))) : best(this.bound, logP, logQ) };
  }
  against(xs, reference) {
    reference.floors[this.bound] ??= { ...this.distance(reference.again, reference), ...reference.counted };
    return { ...this.distance(xs, reference), ...counted(xs, reference.toy), floor: reference.floors[this.bound] };
  }
  all() {
    const { spec, model } = this.game;
    return this.game.aside(this.source, () => ofModels[spec.model].call(this, model));
  }
}

// By metrics.mode_coverage: parts that hold something, and the share of samples near any centre, at most 3 standard deviations
// off. What the eye sees at a distance: the share that is close, at most 0.08 further, and the parts that hold a quarter of theirs.
const FURTHER = 0.08; // in coordinates of spread 1
function counted(xs, toy) {
  if (!toy.sds[0]) return {};
  const { covered, parts, near } = coverage(xs, toy), seen = coverage(xs, toy, 3 + FURTHER / Math.max(...toy.sds));
  return { covered, parts, pieces: toy.pieces, near, close: seen.near, quarter: seen.shares.filter((share) => share > 0.25 / parts).length };
}
const copyOf = (x) => x.values.slice();

function ofGan(model) {
  const [reference] = this.references, { toys: [toy], spec } = this.game;
  const u = spec.labelled ? this.pictures.labels(MANY) : null;
  const out = { samples: this.against(copyOf(model.sample(MANY, u)), reference) };
  const gaussian = gaussianOf(this.game);
  if (gaussian && toy.d === 1) out.gaussian = exact(gaussian, toy, this.bound);
  return out;
}
// An affine generator on the line is a Gaussian: what the best critic attains, by quadrature, without a floor.
function exact({ mu, sigma }, toy, name) {
  const at = gridPoints([[-60, 60]], 0, 12000), dx = 0.01;
  const logP = logDensity(toy, at), logQ = Float64Array.from(at, (x) => -(((x - mu) / sigma) ** 2) / 2 - Math.log(sigma) - HALF_LOG_2PI);
  return { mu, sigma, js: jensenShannon(logP, logQ, dx), best: name === "relativistic" ? null : best(name, logP, logQ, dx) };
}

// I(c; x') of the first code by histogram, with its floor: the same after the codes were exchanged among the samples.
function ofInfo(model) {
  const [{ window, bins }] = this.references, { spec } = this.game, [K] = spec.code.categorical;
  const z = model.draw(spec.base, MANY), c = model.draw(spec.code, MANY), x = copyOf(model.generate(z, c)), codes = copyOf(c);
  const out = { samples: this.against(x, this.references[0]) };
  if (!K) return out;
  const label = Array.from({ length: MANY }, (_, i) => codes.subarray(i * c.c, i * c.c + K).indexOf(1));
  const coarse = Math.round(bins / 4), share = (of) => information(joint(x, of, K, window, coarse));
  return { ...out, information: share((i) => label[i]), informationFloor: share((i) => label[(i + 1) % MANY]), entropy: Math.log(K) };
}
function joint(xs, labelOf, K, window, bins) {
  const d = window.length, n = xs.length / d;
  return Array.from({ length: K }, (_, k) => {
    const own = [];
    for (let i = 0; i < n; i++) if (labelOf(i) === k) own.push(...xs.subarray(i * d, (i + 1) * d));
    return histogram(Float32Array.from(own), window, bins).map((share) => (own.length / d / n) * share);
  });
}

function ofCycle({ G, F }) {
  const [X, Y] = this.references, fresh = ({ toy }) => this.pictures.matrix(sampleToy(toy, MANY, this.source).x, toy.d);
  const x = fresh(X), y = fresh(Y), yMade = G(x), xMade = F(y);
  const off = (a, b) => sub(a, b).values.reduce((s, v) => s + Math.abs(v), 0) / MANY;
  return { X: this.against(copyOf(xMade), X), Y: this.against(copyOf(yMade), Y), cycle: off(F(yMade), x) + off(G(xMade), y) };
}

// Of the first points: the bound on log p(x), log p(x) by quadrature on the latent grid, and what lies between them.
function ofAutoencoder(model) {
  const { spec, toys: [toy] } = this.game, out = {};
  if (toy.d <= 2 && toy.sds[0]) {
    const law = model.decoder(model.draw(spec.base, MANY));
    out.samples = this.against(copyOf(law.rsample ? law.rsample() : law.mean), this.references[0]);
  }
  const n = Math.min(POINTS, toy.sds[0] ? POINTS : toy.centres.length);
  const x = toy.sds[0] ? this.pictures.data(n) : this.pictures.matrix(Float32Array.from(toy.centres.slice(0, n).flat()), toy.d);
  return { ...out, ...boundsOf(this, model, x) };
}
function boundsOf({ game, pictures }, model, x) {
  const { spec, settings } = game, out = {};
  if (spec.model === "ali") {
    const back = model.decoder(model.encoder(x).rsample()).rsample();
    return { reconstruction: sub(back, x).values.reduce((s, v) => s + Math.abs(v), 0) / x.r };
  }
  const [likelihood, kl] = spec.model === "vae" ? model.terms(x, DRAWS) : model.terms(x, DRAWS, settings.contrast ?? 0);
  Object.assign(out, { elbo: mean(likelihood).item - mean(kl).item, kl: mean(kl).item, likelihood: mean(likelihood).item });
  if (spec.base.d === 2) out.evidence = average(evidence(game, model, x, pictures.latent, 64));
  return out;
}
const average = (a) => a.reduce((s, v) => s + v, 0) / a.length;

// log p(x) = log of the integral of p(x | z) N(z; 0, I), row by row; the latent plane is decoded once.
export function evidence({ tape }, model, x, latent, side = 96) {
  const points = gridPoints(latent, side), [[a, b], [c, d]] = latent, cell = ((b - a) * (d - c)) / side ** 2;
  const law = model.decoder(tape.tensor(points.length / 2, 2, points)), data = copyOf(x), mark = tape.mark(), out = [];
  for (let i = 0; i < x.r; i++) {
    const likelihood = law.logProb(tape.tensor(1, x.c, data.subarray(i * x.c, (i + 1) * x.c))).values;
    out.push(logIntegral(likelihood.map((l, k) => l - (points[2 * k] ** 2 + points[2 * k + 1] ** 2) / 2 - 2 * HALF_LOG_2PI), cell));
    tape.begin(mark);
  }
  return out;
}

const ofModels = { gan: ofGan, infogan: ofInfo, cyclegan: ofCycle, vae: ofAutoencoder, ali: ofAutoencoder, avb: ofAutoencoder };

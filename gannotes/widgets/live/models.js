// The models of gannotes.models: same names, same objectives, same order of draws. `parts` are networks by their names,
// `draw(law, n)` gives noise. `step` yields its moves one after the other; a move's objective is made when it is its turn:
// {players: [[name, direction], ...], objective}. Sent back in is the objective's number before the move.
// theta is whoever owns the samples, phi the critic (the package's phi, phi_eta or omega).
import { add, below, beside, gradients, log, mean, meanCopies, mul, reciprocal, rows, scale, sqrt, square, sub, sum, tile } from "./operations.js";
import { GaussianLaw, entropies, klFromStandard, logStandard } from "./laws.js";
import { bound, cycleLoss, mutualInformation } from "./bounds.js";

const ascend = (name, objective) => ({ players: [[name, 1]], objective });
const descend = (name, objective) => ({ players: [[name, -1]], objective });
const descendAscend = (objective) => ({ players: [["theta", -1], ["phi", 1]], objective });
const parametersOf = (...nets) => nets.flatMap((net) => net.parameters);

// How steep the critic is at x: its raw outputs, and E |grad v|^2.
export function squaredGradient(D, x) {
  const X = x.tape.variable(x), v = D(X), [g] = gradients(v, [X], true);
  return [v, scale(sum(square(g)), 1 / x.r)];
}

// GAN and, with a divergence for a bound, f-GAN; with labels u beside x conditional.
export class GAN {
  constructor({ G, D }, { base, draw }) {
    Object.assign(this, { G, D, base, draw, theta: G.parameters, phi: D.parameters });
  }
  sample(n, u = null) {
    const z = this.draw(this.base, n);
    return u ? this.G(z, u) : this.G(z);
  }
  critic(x, u = null) { return u ? this.D(x, u) : this.D(x); }
  value({ x, u }, game, flip = false) {
    const vp = this.critic(x, u), vq = this.critic(this.sample(x.r, u), u);
    return flip ? bound(game)(vq, vp) : bound(game)(vp, vq);
  }
  penalised({ x, u }, game, gamma) {
    const D = (a) => this.critic(a, u);
    const [vp, R1] = squaredGradient(D, x), [vq, R2] = squaredGradient(D, this.sample(x.r, u));
    const penalty = scale(add(R1, R2), gamma / 2);
    return { objective: sub(bound(game)(vp, vq), penalty), penalty: penalty.item };
  }
  *step(batch, { bound: game = "bernoulli", K = 1, gamma = 0, flip = true, together = false }) {
    if (together) return { value: yield descendAscend(() => this.value(batch, game)) };
    let value, penalty = 0;
    const critic = () => {
      if (!(gamma > 0)) return this.value(batch, game);
      const made = this.penalised(batch, game, gamma);
      penalty = made.penalty;
      return made.objective;
    };
    for (let k = 0; k < K; k++) value = yield ascend("phi", critic);
    if (flip) yield ascend("theta", () => this.value(batch, game, true));
    else yield descend("theta", () => this.value(batch, game));
    return { value, penalty };
  }
}

export class InfoGAN {
  constructor({ G, trunk, D, Q }, { base, code, draw }) {
    Object.assign(this, { G, trunk, D, Q, base, code, draw, theta: G.parameters, phi: parametersOf(trunk, D, Q) });
  }
  generate(z, c) { return this.G(beside(z, c)); }
  sample(n) { return this.generate(this.draw(this.base, n), this.draw(this.code, n)); }
  critic(x) { return this.D(this.trunk(x)); }
  // The value, and the bound on the information of each part of the code, of the same samples.
  objectives(x, game, flip = false) {
    const z = this.draw(this.base, x.r), c = this.draw(this.code, x.r);
    const h = this.trunk(below(x, this.generate(z, c))), hq = rows(h, x.r, 2 * x.r);
    const vp = this.D(rows(h, 0, x.r)), vq = this.D(hq), H = entropies(this.code);
    const information = this.Q(hq).logProbs(c).map((logQ, j) => mutualInformation(logQ, H[j]));
    return [flip ? bound(game)(vq, vp) : bound(game)(vp, vq), information];
  }
  *step({ x }, { bound: game = "bernoulli", lam = 1 }) {
    const out = {}, total = (value, information) => information.reduce((s, part) => add(s, scale(part, lam)), value);
    yield ascend("phi", () => {
      const [value, information] = this.objectives(x, game);
      Object.assign(out, { value: value.item, information: information.map((part) => part.item) });
      return total(value, information);
    });
    yield ascend("theta", () => total(...this.objectives(x, game, true)));
    return out;
  }
}

export class CycleGAN {
  constructor({ G, F, D_X, D_Y }) {
    Object.assign(this, { G, F, D_X, D_Y, theta: parametersOf(G, F), phi: parametersOf(D_X, D_Y) });
  }
  value(x, y, yMade, xMade, game, flip = false) {
    const play = (D, data, made) => (flip ? bound(game)(D(made), D(data)) : bound(game)(D(data), D(made)));
    return add(play(this.D_Y, y, yMade), play(this.D_X, x, xMade));
  }
  cycle(x, y, yMade, xMade) { return cycleLoss(x, this.F(yMade), y, this.G(xMade)); }
  *step({ x, y }, { bound: game = "least_squares", lam = 10 }) {
    let cycle, made;
    yield ascend("theta", () => {
      const yMade = this.G(x), xMade = this.F(y), loss = this.cycle(x, y, yMade, xMade);
      made = [yMade, xMade].map((a) => Float32Array.from(a.values)); // what the tape forgets before the critics' turn
      cycle = loss.item;
      return sub(this.value(x, y, yMade, xMade, game, true), scale(loss, lam));
    });
    const value = yield ascend("phi", () => {
      const [yMade, xMade] = made ?? [this.G(x), this.F(y)].map((a) => a.values.slice());
      return this.value(x, y, x.tape.tensor(x.r, y.c, yMade), x.tape.tensor(y.r, x.c, xMade), game);
    });
    return { value, cycle };
  }
}

// Both kinds of encoder-decoder have these.
class Autoencoder {
  constructor({ encoder, decoder }, { base, draw }) {
    Object.assign(this, { encoder, decoder, base, draw, theta: parametersOf(encoder, decoder) });
  }
  reconstruct(x) { return this.decoder(this.encoder(x).rsample()).mean; }
}

export class VAE extends Autoencoder {
  constructor(parts, setting) {
    super(parts, setting);
    this.phi = [];
  }
  // Expected log likelihood and divergence from the base, one row each; the divergence in closed form or from the samples.
  terms(x, Nz = 1, sampledKl = false) {
    const q = this.encoder(x), z = q.rsample(Nz);
    const kl = sampledKl ? meanCopies(sub(q.logProb(z), logStandard(z)), Nz) : klFromStandard(q);
    return [meanCopies(this.decoder(z).logProb(x), Nz), kl];
  }
  *step({ x }, { N_z = 1, sampled_kl = false, beta = 1 }) {
    let kl;
    const elbo = yield ascend("theta", () => {
      const [likelihood, divergence] = this.terms(x, N_z, sampled_kl);
      kl = mean(divergence).item;
      return mean(sub(likelihood, scale(divergence, beta)));
    });
    return { elbo, kl };
  }
}

export class ALI extends Autoencoder {
  constructor(parts, setting) {
    super(parts, setting);
    Object.assign(this, { D: parts.D, phi: parts.D.parameters });
  }
  value(x, game, flip = false) {
    const vq = this.D(x, this.encoder(x).rsample()), z = this.draw(this.base, x.r);
    const vp = this.D(this.decoder(z).rsample(), z);
    return flip ? bound(game)(vp, vq) : bound(game)(vq, vp);
  }
  *step({ x }, { bound: game = "bernoulli", K = 1, flip = true }) {
    let value;
    for (let k = 0; k < K; k++) value = yield ascend("phi", () => this.value(x, game));
    if (flip) yield ascend("theta", () => this.value(x, game, true));
    else yield descend("theta", () => this.value(x, game));
    return { value };
  }
}

export class AVB extends Autoencoder {
  constructor(parts, setting) {
    super(parts, setting);
    Object.assign(this, { r: parts.r, phi: parts.r.parameters });
  }
  // Adaptive contrast: the Gaussian with the moments of samples, which are constants; null without it.
  reference(q, contrast) {
    if (!contrast) return null;
    const { tape } = this.theta[0];
    return tape.frozen(() => {
      const z = q.rsample(contrast), m = meanCopies(z, contrast), deviation = sub(z, tile(m, contrast));
      const sd = sqrt(meanCopies(square(deviation), contrast));
      return new GaussianLaw(m, log(sd), this.draw, sd);
    });
  }
  standardised(z, { mean: m, sd }) {
    const copies = z.r / m.r;
    return mul(sub(z, tile(m, copies)), reciprocal(tile(sd, copies)));
  }
  // What is learnt of log q(z | x) - log p_0(z).
  logRatio(z, x, reference) {
    if (!reference) return this.r(z, x);
    return add(this.r(this.standardised(z, reference), x), sub(reference.logProb(z), logStandard(z)));
  }
  terms(x, Nz, contrast) {
    const q = this.encoder(x), z = q.rsample(Nz), ratio = this.logRatio(z, x, this.reference(q, contrast));
    return [meanCopies(this.decoder(z).logProb(x), Nz), meanCopies(ratio, Nz)];
  }
  value(x, Nz, contrast) {
    const [z, z0] = x.tape.frozen(() => {
      const q = this.encoder(x), reference = this.reference(q, contrast), drawn = q.rsample(Nz);
      return [reference ? this.standardised(drawn, reference) : drawn, this.draw(this.base, drawn.r)];
    });
    const v = this.r(below(z, z0), x);
    return bound("bernoulli")(rows(v, 0, z.r), rows(v, z.r, v.r));
  }
  *step({ x }, { N_z = 1, K = 1, contrast = 0 }) {
    let kl, value;
    const elbo = yield ascend("theta", () => {
      const [likelihood, ratio] = this.terms(x, N_z, contrast);
      kl = mean(ratio).item;
      return mean(sub(likelihood, ratio));
    });
    for (let k = 0; k < K; k++) value = yield ascend("phi", () => this.value(x, N_z, contrast));
    return { elbo, kl, value };
  }
}

// The networks of each in the order of their weights: a description that went through a notebook has its keys sorted.
export const networksOf = {
  gan: ["G", "D"], infogan: ["G", "trunk", "D", "Q"], cyclegan: ["G", "F", "D_X", "D_Y"],
  vae: ["encoder", "decoder"], ali: ["encoder", "decoder", "D"], avb: ["encoder", "decoder", "r"],
};
export const models = { gan: GAN, infogan: InfoGAN, cyclegan: CycleGAN, vae: VAE, ali: ALI, avb: AVB };

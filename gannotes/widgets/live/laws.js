// Laws with parameters from a network: what gannotes.distributions makes of an output, row by row. `copies` samples of each
// row lie one copy of all rows below the other, as torch's leading dimension.
import { add, affine, beside, columns, div, exp, expand, log, logsumexp, mul, neg, plus, scale, sigmoid, softplus, square, sub, sumColumns, tile } from "./operations.js";

const HALF_LOG_2PI = Math.log(2 * Math.PI) / 2;

export class GaussianLaw {
  constructor(mean, logSd, draw, sd = exp(logSd)) {
    Object.assign(this, { mean, logSd, draw, sd });
  }
  rsample(copies = 1) {
    const eps = this.draw({ law: "normal", d: this.mean.c }, this.mean.r * copies);
    return add(tile(this.mean, copies), mul(tile(this.sd, copies), eps));
  }
  // Of x, of which there may be several copies of these rows, or the other way round.
  logProb(x) {
    const n = Math.max(x.r, this.mean.r), own = (a) => tile(a, n / this.mean.r);
    const e = div(sub(tile(x, n / x.r), own(this.mean)), own(this.sd));
    return sumColumns(plus(sub(scale(square(e), -0.5), own(this.logSd)), -HALF_LOG_2PI));
  }
}
export class BernoulliLaw {
  constructor(logits) {
    this.logits = logits;
  }
  get mean() { return sigmoid(this.logits); }
  logProb(x) {
    return sumColumns(sub(mul(tile(x, this.logits.r / x.r), this.logits), softplus(this.logits)));
  }
}
export class PointLaw {
  constructor(mean) {
    this.mean = mean;
  }
  rsample(copies = 1) { return tile(this.mean, copies); }
}
export class ImplicitLaw {
  constructor(features, head, noise, draw) {
    Object.assign(this, { features, head, noise, draw });
  }
  rsample(copies = 1) { return this.head(this.features, this.draw(this.noise, this.features.r * copies)); }
}
// Independent codes: logits of each categorical one, then means, then log standard deviations.
export class CodeLaw {
  constructor(raw, { categorical, continuous, floor }) {
    Object.assign(this, { raw, categorical, continuous, floor });
  }
  // One column of log densities for each part of the code.
  logProbs(c) {
    const { raw, categorical, continuous, floor } = this, out = [];
    let at = 0;
    for (const K of categorical) {
      const logits = columns(raw, at, at + K);
      out.push(sub(sumColumns(mul(logits, columns(c, at, at + K))), logsumexp(logits)));
      at += K;
    }
    for (let k = at; k < at + continuous; k++) {
      const sd = plus(exp(columns(raw, k + continuous, k + continuous + 1)), floor);
      const e = div(sub(columns(c, k, k + 1), columns(raw, k, k + 1)), sd);
      out.push(plus(sub(scale(square(e), -0.5), log(sd)), -HALF_LOG_2PI));
    }
    return out;
  }
}
export const entropies = ({ categorical, continuous }) => [...categorical.map(Math.log), ...Array(continuous).fill(Math.LN2)];

// KL(q || N(0, I)) of each row, in closed form, and log N(z; 0, I).
export const klFromStandard = ({ mean, sd, logSd }) =>
  sumColumns(scale(plus(sub(add(square(mean), square(sd)), scale(logSd, 2)), -1), 0.5));
export const logStandard = (z) => sumColumns(affine(square(z), -0.5, -HALF_LOG_2PI));

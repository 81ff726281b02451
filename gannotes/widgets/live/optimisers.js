// The rules of torch.optim.Adam and torch.optim.SGD, and who moves: gannotes.optim. All numbers may change between steps.
import { gradients } from "./operations.js";

export class Player {
  constructor(tape, parameters) {
    Object.assign(this, { tape, parameters, rule: "adam", rate: 1e-3, momentum: 0.9, beta2: 0.999, t: 0 });
    this.state = parameters.map(({ r, c }) => [tape.keep(r, c), tape.keep(r, c)]);
  }
  set(settings) {
    if (settings.rule !== this.rule) this.forget();
    Object.assign(this, settings);
  }
  forget() {
    this.t = 0;
    for (const moments of this.state) for (const m of moments) m.values.fill(0);
  }
  update(moves, direction) {
    this.t++;
    this.parameters.forEach((x, i) => this[this.rule](x, moves[i], direction, ...this.state[i]));
  }
  adam(x, g, direction, m, v) {
    const { momentum: b1, beta2: b2, rate, t } = this;
    const step = rate / (1 - b1 ** t), root = Math.sqrt(1 - b2 ** t);
    this.tape.kernels.adam(x.at, g.at, m.at, v.at, x.n, -direction, b1, b2, step, root, 1e-8);
  }
  sgd(x, g, direction, m) {
    const H = this.tape.heap, { momentum, rate } = this;
    for (let i = 0; i < x.n; i++) {
      H[m.at + i] = momentum * H[m.at + i] + direction * H[g.at + i];
      H[x.at + i] += rate * H[m.at + i];
    }
  }
}

// Every player moves from the same iterate, in its direction; nothing is touched before all numbers are known to be finite.
export function move(objective, movers) {
  const { tape, item } = objective;
  if (!Number.isFinite(item)) throw new RangeError(`objective: expected a finite value, got ${item}`);
  const parameters = movers.flatMap(([player]) => player.parameters), g = gradients(objective, parameters);
  const bad = g.filter((x) => !finite(tape, x));
  if (bad.length) {
    const shapes = bad.map(({ r, c }) => (r === 1 ? `(${c})` : `(${c}, ${r})`)).join(", ");
    throw new RangeError(`gradient: expected finite values, those of the parameters of shape ${shapes} are not; the objective was ${item}`);
  }
  let used = 0;
  for (const [player, direction] of movers) player.update(g.slice(used, (used += player.parameters.length)), direction);
  return item;
}
// One quick pass, which huge gradients overflow; then number by number.
const finite = (tape, x) => Number.isFinite(tape.kernels.sumSquares(x.at, x.n)) || x.values.every(Number.isFinite);

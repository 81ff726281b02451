// Networks and laws from their description, the JSON that gannotes.widgets.describe makes of torch modules:
//   {op: "sequence", layers: [...]}, {op: "linear", inputs, outputs}, {op: "leaky", slope}, {op: "tanh" | "silu" | "softplus" | "sigmoid"},
//   {op: "identity"}, {op: "waves", frequencies}: x beside sin f x and cos f x for every f,
//   {op: "pair", first, second, head}, {op: "beside", net} and {op: "warp", affine, bend}: two inputs;
//   {op: "gaussian", net, logSd}, {op: "bernoulli", net}, {op: "deterministic", net}, {op: "implicit", features, head, noise},
//   {op: "code", net, categorical, continuous, floor}: laws.
// A network is a function with its `parameters`, in the order of the description: of an affine map W [inputs, outputs] and b.
import { add, affineMap, beside, columns, cos, exp, expand, leaky, mul, scale, sigmoid, silu, sin, softplus, tanh, tile } from "./operations.js";
import { BernoulliLaw, CodeLaw, GaussianLaw, ImplicitLaw, PointLaw } from "./laws.js";

const plainNet = (f) => Object.assign(f, { parameters: [] });
const withParameters = (f, ...nets) => Object.assign(f, { parameters: nets.flatMap((net) => net.parameters) });

// More copies of the rows of one input than of the other: the other is repeated.
const alikeRows = (a, b) => [tile(a, Math.max(1, b.r / a.r)), tile(b, Math.max(1, a.r / b.r))];

const ops = {
  identity: () => plainNet((x) => x),
  leaky: ({ slope }) => plainNet((x) => leaky(x, slope)),
  tanh: () => plainNet((x) => tanh(x)),
  silu: () => plainNet((x) => silu(x)),
  softplus: () => plainNet((x) => softplus(x)),
  sigmoid: () => plainNet((x) => sigmoid(x)),
  waves: ({ frequencies }) => plainNet((x) => beside(x, ...frequencies.flatMap((f) => [sin(scale(x, f)), cos(scale(x, f))]))),
  linear({ inputs, outputs }, { tape, take }) {
    const W = tape.parameter(inputs, outputs, take(inputs * outputs, inputs)), b = tape.parameter(1, outputs, take(outputs, inputs));
    return Object.assign((x) => affineMap(x, W, b), { parameters: [W, b] });
  },
  sequence({ layers }, of) {
    const nets = layers.map((layer) => network(layer, of));
    return withParameters((...x) => nets.slice(1).reduce((y, net) => net(y), nets[0](...x)), ...nets);
  },
  pair({ first, second, head }, of) {
    const [f, g, h] = [first, second, head].map((net) => network(net, of));
    return withParameters((a, b) => h(add(...alikeRows(f(a), g(b)))), f, g, h);
  },
  beside({ net }, of) {
    const h = network(net, of);
    return withParameters((a, b) => h(beside(...alikeRows(a, b))), h);
  },
  warp({ affine, bend }, of) {
    const [f, g] = [affine, bend].map((net) => network(net, of));
    return withParameters((h, eps) => {
      const y = f(h), k = y.c / 2, copies = eps.r / h.r;
      const bent = add(columns(eps, 0, k), g(h, eps));
      return add(tile(columns(y, 0, k), copies), mul(tile(exp(columns(y, k, 2 * k)), copies), bent));
    }, f, g);
  },
  gaussian({ net, logSd = null }, of) {
    const own = logSd && sharedLogSd(logSd, of), f = network(net, of);
    const law = (x) => {
      const y = f(x), k = y.c / 2;
      return own ? new GaussianLaw(y, expand(own(), y.r, y.c), of.draw) : new GaussianLaw(columns(y, 0, k), columns(y, k, 2 * k), of.draw);
    };
    return withParameters(law, own ?? plainNet(() => null), f);
  },
  bernoulli({ net }, of) {
    const f = network(net, of);
    return withParameters((z) => new BernoulliLaw(f(z)), f);
  },
  deterministic({ net }, of) {
    const f = network(net, of);
    return withParameters((x) => new PointLaw(f(x)), f);
  },
  implicit({ features, head, noise }, of) {
    const [f, g] = [features, head].map((net) => network(net, of));
    return withParameters((x) => new ImplicitLaw(f(x), g, noise, of.draw), f, g);
  },
  code({ net, categorical, continuous, floor }, of) {
    const f = network(net, of);
    return withParameters((h) => new CodeLaw(f(h), { categorical, continuous, floor }), f);
  },
};

// Log standard deviations for all inputs: {width, learnt: true}, a parameter, or {values}, fixed.
function sharedLogSd({ width, values = null }, { tape, take }) {
  if (values) return plainNet(() => tape.tensor(1, values.length, values));
  const own = tape.parameter(1, width, take(width, 0));
  return Object.assign(() => own, { parameters: [own] });
}

// `of`: {tape, draw, take}; take(n, inputs) gives the next n numbers of the parameters.
export function network(description, of) {
  const op = ops[description.op];
  if (!op) throw new TypeError(`op: expected one of ${Object.keys(ops).join(", ")}, got ${description.op}`);
  return op(description, of);
}

// Parameters from given numbers, or drawn as torch.nn.Linear does, U(-s, s) with s = 1 / sqrt(inputs).
export function given(weights) {
  let used = 0;
  return (n) => weights.subarray(used, (used += n));
}
export const drawn = ({ uniform }) => (n, inputs) => Float32Array.from({ length: n }, () => (inputs ? (2 * uniform() - 1) / Math.sqrt(inputs) : 0));

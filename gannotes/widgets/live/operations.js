// What a matrix can go through. Every operation returns a new Tensor and records its backward rule, made of operations.

// The gradients of the sum of y; `create` keeps them on the tape, to be differentiated again.
export function gradients(y, xs, create = false) {
  const { tape } = y, needed = between(y, xs), g = new Array(y.id + 1), before = tape.recording;
  tape.recording = create;
  if (y.id >= 0) g[y.id] = tape.constant(y.r, y.c, 1);
  for (let i = y.id; i >= 0; i--) {
    const { inputs, back } = tape.entries[i];
    if (!g[i] || !needed[i] || !back) continue;
    const wanted = inputs.map((x) => needed[x.id] === 1), parts = back(g[i], wanted);
    inputs.forEach(({ id }, j) => {
      if (wanted[j]) g[id] = g[id] ? add(g[id], parts[j]) : parts[j];
    });
  }
  tape.recording = before;
  return xs.map((x) => g[x.id] ?? tape.constant(x.r, x.c, 0));
}
// 1 for every entry up to y that depends on one of xs.
function between(y, xs) {
  const needed = new Uint8Array(y.id + 1);
  for (const { id } of xs) if (id >= 0 && id <= y.id) needed[id] = 1;
  for (let i = 0; i <= y.id; i++) if (y.tape.entries[i].inputs.some((x) => needed[x.id] === 1)) needed[i] = 1;
  return needed;
}

// Products

export function matmul(a, b) {
  const y = a.tape.make(a.r, b.c);
  a.tape.kernels.matmul(a.at, b.at, y.at, 0, a.r, b.c, a.c, a.c, 1);
  return a.tape.record(y, [a, b], (g, w) => [w[0] && matmul(g, transpose(b)), w[1] && matmulTransposed(a, g)]);
}
// a' b
export function matmulTransposed(a, b) {
  const y = a.tape.make(a.c, b.c);
  a.tape.kernels.matmul(a.at, b.at, y.at, 0, a.c, b.c, a.r, 1, a.c);
  return a.tape.record(y, [a, b], (g, w) => [w[0] && matmul(b, transpose(g)), w[1] && matmul(a, g)]);
}
export function transpose(a) {
  const y = a.tape.make(a.c, a.r);
  a.tape.kernels.transpose(a.at, y.at, a.r, a.c);
  return a.tape.record(y, [a], (g) => [transpose(g)]);
}
// x W + b, with W [inputs, outputs] and b [1, outputs]
export function affineMap(x, W, b) {
  const y = x.tape.make(x.r, W.c);
  x.tape.kernels.matmul(x.at, W.at, y.at, b.at, x.r, W.c, x.c, x.c, 1);
  return x.tape.record(y, [x, W, b], (g, w) => [
    w[0] && matmul(g, transpose(W)), w[1] && matmulTransposed(x, g), w[2] && sumTo(g, 1, g.c),
  ]);
}

// Sums, and the copies that are their transposes

export function expand(a, r, c) {
  if (a.r === r && a.c === c) return a;
  if ((a.r !== 1 && a.r !== r) || (a.c !== 1 && a.c !== c)) throw new RangeError(`cannot expand ${a.r} x ${a.c} to ${r} x ${c}`);
  const y = a.tape.make(r, c), H = a.tape.heap, down = a.r === 1 ? 0 : a.c, right = a.c === 1 ? 0 : 1;
  for (let i = 0, to = y.at; i < r; i++) for (let j = 0; j < c; j++) H[to++] = H[a.at + i * down + j * right];
  return a.tape.record(y, [a], (g) => [sumTo(g, a.r, a.c)]);
}
export function sumTo(a, r, c) {
  if (a.r === r && a.c === c) return a;
  const y = a.tape.make(r, c), H = a.tape.heap;
  if (r === 1 && c === a.c) a.tape.kernels.sumRows(a.at, y.at, a.r, a.c);
  else {
    const length = a.n / (r * c); // of each sum: a row, or everything
    for (let i = 0, from = a.at; i < r * c; i++) {
      let s = 0;
      for (let j = 0; j < length; j++) s += H[from++];
      H[y.at + i] = s;
    }
  }
  return a.tape.record(y, [a], (g) => [expand(g, a.r, a.c)]);
}
export const sum = (a) => sumTo(a, 1, 1);
export const mean = (a) => affine(sum(a), 1 / a.n, 0);
export const sumColumns = (a) => sumTo(a, a.r, 1);

// n copies of all rows, one below the other; and back, their sum.
export function tile(a, n) {
  if (n === 1) return a;
  const y = a.tape.make(a.r * n, a.c), H = a.tape.heap;
  for (let i = 0; i < n; i++) H.copyWithin(y.at + i * a.n, a.at, a.at + a.n);
  return a.tape.record(y, [a], (g) => [untile(g, n)]);
}
export function untile(a, n) {
  if (n === 1) return a;
  const y = a.tape.make(a.r / n, a.c), H = a.tape.heap;
  for (let j = 0; j < y.n; j++) {
    let s = 0;
    for (let i = 0; i < n; i++) s += H[a.at + i * y.n + j];
    H[y.at + j] = s;
  }
  return a.tape.record(y, [a], (g) => [tile(g, n)]);
}
export const meanCopies = (a, n) => affine(untile(a, n), 1 / n, 0);

// Number by number; a row, a column or a number is repeated as often as the other needs

function alike(a, b) {
  if (a.r === b.r && a.c === b.c) return [a, b];
  const r = Math.max(a.r, b.r), c = Math.max(a.c, b.c);
  return [expand(a, r, c), expand(b, r, c)];
}
export function add(a, b) {
  [a, b] = alike(a, b);
  const y = a.tape.make(a.r, a.c);
  a.tape.kernels.add(a.at, b.at, y.at, a.n);
  return a.tape.record(y, [a, b], (g) => [g, g]);
}
export function mul(a, b) {
  [a, b] = alike(a, b);
  const y = a.tape.make(a.r, a.c);
  a.tape.kernels.mul(a.at, b.at, y.at, a.n);
  return a.tape.record(y, [a, b], (g, w) => [w[0] && mul(g, b), w[1] && mul(g, a)]);
}
// s a + t
export function affine(a, s, t) {
  const y = a.tape.make(a.r, a.c);
  a.tape.kernels.affine(a.at, y.at, a.n, s, t);
  return a.tape.record(y, [a], (g) => [affine(g, s, 0)]);
}
export const scale = (a, s) => affine(a, s, 0);
export const plus = (a, t) => affine(a, 1, t);
export const neg = (a) => affine(a, -1, 0);
export const sub = (a, b) => add(a, neg(b));
export const div = (a, b) => mul(a, reciprocal(b));

function leakyGrad(g, x, slope) {
  const y = x.tape.make(x.r, x.c);
  x.tape.kernels.leaky(g.at, x.at, y.at, x.n, slope);
  return x.tape.record(y, [g], (gg) => [leakyGrad(gg, x, slope)]);
}
export function leaky(x, slope = 0.2) {
  const y = x.tape.make(x.r, x.c);
  x.tape.kernels.leaky(x.at, x.at, y.at, x.n, slope);
  return x.tape.record(y, [x], (g) => [leakyGrad(g, x, slope)]);
}
function tanhGrad(g, y) {
  const z = y.tape.make(y.r, y.c);
  y.tape.kernels.tanhGrad(g.at, y.at, z.at, y.n);
  return y.tape.record(z, [g, y], (gg, w) => [w[0] && tanhGrad(gg, y), w[1] && mul(mul(gg, g), scale(y, -2))]);
}
const byKernel = (name, back) => (x) => {
  const y = x.tape.make(x.r, x.c);
  x.tape.kernels[name](x.at, y.at, x.n);
  return x.tape.record(y, [x], (g) => [back(g, y)]);
};
export const tanh = byKernel("tanh", tanhGrad);
export const exp = byKernel("exp", mul);
export const sigmoid = byKernel("sigmoid", (g, y) => mul(g, mul(y, affine(y, -1, 1))));

// These run in JavaScript: what they are applied to is short, a critic's outputs or a density's.
const byNumber = (f, back) => (x) => {
  const y = x.tape.make(x.r, x.c), H = x.tape.heap;
  for (let i = 0; i < x.n; i++) H[y.at + i] = f(H[x.at + i]);
  return x.tape.record(y, [x], (g) => [back(g, x, y)]);
};
const step = byNumber(Math.sign, (g) => scale(g, 0));
export const reciprocal = byNumber((v) => 1 / v, (g, x, y) => mul(g, neg(square(y))));
export const softplus = byNumber((v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))), (g, x) => mul(g, sigmoid(x)));
export const log = byNumber(Math.log, (g, x) => mul(g, reciprocal(x)));
export const expm1 = byNumber(Math.expm1, (g, x, y) => mul(g, plus(y, 1)));
export const abs = byNumber(Math.abs, (g, x) => mul(g, step(x)));
export const square = byNumber((v) => v * v, (g, x) => mul(g, scale(x, 2)));
export const sqrt = byNumber(Math.sqrt, (g, x, y) => mul(g, scale(reciprocal(y), 0.5)));
export const sin = byNumber(Math.sin, (g, x) => mul(g, cos(x)));
export const cos = byNumber(Math.cos, (g, x) => neg(mul(g, sin(x))));
export const logsigmoid = (x) => neg(softplus(neg(x)));
export const silu = (x) => mul(x, sigmoid(x));

// log sum exp of each row
export function logsumexp(a) {
  const H = a.tape.heap, top = a.tape.make(a.r, 1);
  for (let i = 0; i < a.r; i++) H[top.at + i] = Math.max(...H.subarray(a.at + i * a.c, a.at + (i + 1) * a.c));
  return add(log(sumColumns(exp(sub(a, top)))), top);
}

// Parts, and matrices beside and below each other

export function rows(a, from, to) {
  const y = a.tape.make(to - from, a.c);
  a.tape.heap.copyWithin(y.at, a.at + from * a.c, a.at + to * a.c);
  return a.tape.record(y, [a], (g) => [padRows(g, from, a.r)]);
}
function padRows(a, from, r) {
  const y = a.tape.constant(r, a.c, 0);
  a.tape.heap.copyWithin(y.at + from * a.c, a.at, a.at + a.n);
  return a.tape.record(y, [a], (g) => [rows(g, from, from + a.r)]);
}
export function below(a, b) {
  const y = a.tape.make(a.r + b.r, a.c), H = a.tape.heap;
  H.copyWithin(y.at, a.at, a.at + a.n);
  H.copyWithin(y.at + a.n, b.at, b.at + b.n);
  return a.tape.record(y, [a, b], (g, w) => [w[0] && rows(g, 0, a.r), w[1] && rows(g, a.r, y.r)]);
}
function copyColumns(a, y, from, to, width) {
  const H = a.tape.heap;
  for (let i = 0; i < a.r; i++) {
    const p = a.at + i * a.c + from, q = y.at + i * y.c + to;
    for (let j = 0; j < width; j++) H[q + j] = H[p + j];
  }
}
export function columns(a, from, to) {
  const y = a.tape.make(a.r, to - from);
  copyColumns(a, y, from, 0, y.c);
  return a.tape.record(y, [a], (g) => [padColumns(g, from, a.c)]);
}
function padColumns(a, from, c) {
  const y = a.tape.constant(a.r, c, 0);
  copyColumns(a, y, 0, from, a.c);
  return a.tape.record(y, [a], (g) => [columns(g, from, from + a.c)]);
}
export function beside(...parts) {
  const [{ tape, r }] = parts, starts = [];
  const c = parts.reduce((at, x) => (starts.push(at), at + x.c), 0), y = tape.make(r, c);
  parts.forEach((x, k) => copyColumns(x, y, 0, starts[k], x.c));
  return tape.record(y, parts, (g, w) => parts.map((x, k) => w[k] && columns(g, starts[k], starts[k] + x.c)));
}

// The arithmetic of the engine on one heap of float32 numbers, in WebAssembly (kernels.wat) or, where that is refused, in
// the plain JavaScript below, which says what each kernel does. A matrix is an address in the heap and a shape; address 0
// is nowhere. Both sets have one interface: {name, heap, grow, matmul, ...}.

const FLOATS = 1 << 22, LIMIT = 1 << 26; // 16 MiB to begin with, 256 MiB at most

export function kernels(bytes = null) {
  try {
    if (bytes) return wasmKernels(bytes);
  } catch { /* no WebAssembly, no SIMD, or a page that may not compile: the same in JavaScript */ }
  return plainKernels();
}

export function wasmKernels(bytes) {
  const { memory, ...functions } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  const set = { name: "wasm", heap: new Float32Array(memory.buffer), ...functions };
  set.grow = () => {
    if (set.heap.length >= LIMIT) throw new RangeError(`memory: a step needs more than ${LIMIT} numbers`);
    memory.grow(memory.buffer.byteLength >> 16);
    set.heap = new Float32Array(memory.buffer);
  };
  return set;
}

export function plainKernels() {
  let H = new Float32Array(FLOATS);
  const set = { name: "js", heap: H };
  set.grow = () => {
    if (H.length >= LIMIT) throw new RangeError(`memory: a step needs more than ${LIMIT} numbers`);
    set.heap = new Float32Array(2 * H.length);
    set.heap.set(H);
    H = set.heap;
  };
  const each = (f) => (x, y, n) => {
    const h = H; // here and below: a variable that does not change is read once
    for (let i = 0; i < n; i++) h[y + i] = f(h[x + i]);
  };
  const both = (f) => (a, b, c, n) => {
    const h = H;
    for (let i = 0; i < n; i++) h[c + i] = f(h[a + i], h[b + i]);
  };
  return Object.assign(set, {
    // C = A B (+ bias): C is [M, N], B is [K, N], and A[i, k] lies at a + i ra + k ca. Two rows and four columns at a time.
    matmul(a, b, c, bias, M, N, K, ra, ca) {
      const h = H;
      for (let i = 0; i < M; i += 2, a += 2 * ra, c += 2 * N) {
        const next = i + 1 < M ? ra : 0, below = i + 1 < M ? N : 0; // the last row by itself is done twice
        let j = 0;
        for (; j + 4 <= N; j += 4) {
          let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
          for (let k = 0, p = a, q = b + j; k < K; k++, p += ca, q += N) {
            const u = h[p], v = h[p + next], w0 = h[q], w1 = h[q + 1], w2 = h[q + 2], w3 = h[q + 3];
            s0 += u * w0, s1 += u * w1, s2 += u * w2, s3 += u * w3;
            t0 += v * w0, t1 += v * w1, t2 += v * w2, t3 += v * w3;
          }
          const to = c + j, under = to + below;
          h[to] = s0, h[to + 1] = s1, h[to + 2] = s2, h[to + 3] = s3;
          h[under] = t0, h[under + 1] = t1, h[under + 2] = t2, h[under + 3] = t3;
        }
        for (; j < N; j++) {
          let s = 0, t = 0;
          for (let k = 0, p = a, q = b + j; k < K; k++, p += ca, q += N) s += h[p] * h[q], t += h[p + next] * h[q];
          h[c + j] = s, h[c + below + j] = t;
        }
      }
      if (bias) this.addRow(c - N * (M + (M & 1)), bias, M, N);
    },
    addRow(c, row, M, N) {
      for (let i = 0; i < M; i++) for (let j = 0; j < N; j++) H[c + i * N + j] += H[row + j];
    },
    transpose(a, b, M, N) {
      for (let i = 0; i < M; i++) for (let j = 0; j < N; j++) H[b + j * M + i] = H[a + i * N + j];
    },
    sumRows(a, c, M, N) {
      for (let j = 0; j < N; j++) {
        let s = 0;
        for (let i = 0; i < M; i++) s += H[a + i * N + j];
        H[c + j] = s;
      }
    },
    sumSquares(a, n) {
      let s = 0;
      for (let i = 0; i < n; i++) s += H[a + i] * H[a + i];
      return s;
    },
    add: both((a, b) => a + b),
    mul: both((a, b) => a * b),
    tanhGrad: both((g, y) => g * (1 - y * y)),
    exp: each(Math.exp),
    tanh: each(Math.tanh),
    sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
    affine(x, y, n, s, t) {
      for (let i = 0; i < n; i++) H[y + i] = s * H[x + i] + t;
    },
    leaky(g, x, y, n, slope) {
      for (let i = 0; i < n; i++) H[y + i] = H[x + i] > 0 ? H[g + i] : slope * H[g + i];
    },
    adam(p, g, m, v, n, sign, b1, b2, step, root, eps) {
      for (let i = 0; i < n; i++) {
        const d = sign * H[g + i];
        H[m + i] = b1 * H[m + i] + (1 - b1) * d;
        H[v + i] = b2 * H[v + i] + (1 - b2) * d * d;
        H[p + i] -= (step * H[m + i]) / (Math.sqrt(H[v + i]) / root + eps);
      }
    },
  });
}

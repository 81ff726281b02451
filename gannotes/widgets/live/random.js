// Random numbers from a seed (sfc32; normal ones by Marsaglia's polar method), and noise from the laws that the package has.

export function random(seed) {
  let a = 0x9e3779b9, b = 0x243f6a88, c = 0xb7e15162, d = seed >>> 0, spare = null;
  const uniform = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  const normal = () => {
    if (spare !== null) {
      const last = spare;
      spare = null;
      return last;
    }
    let u, v, s;
    do {
      u = 2 * uniform() - 1;
      v = 2 * uniform() - 1;
      s = u * u + v * v;
    } while (s >= 1 || s === 0);
    const f = Math.sqrt((-2 * Math.log(s)) / s);
    spare = v * f;
    return u * f;
  };
  for (let i = 0; i < 15; i++) uniform();
  return { uniform, normal, below: (n) => Math.floor(n * uniform()) };
}

// What one number is, by the name of its law: gannotes.distributions.standard_normal, uniform and corners.
const numbers = {
  normal: ({ normal }) => normal,
  uniform: ({ uniform }, { low = -1, high = 1 }) => () => low + (high - low) * uniform(),
  corners: ({ uniform, normal }, { sd = 0.1 }) => () => (uniform() < 0.5 ? -1 : 1) + sd * normal(),
};

// `draw(law, n)`: n rows of a law such as {law: "normal", d: 2}; of codes, one-hot ones and U(-1, 1) beside them.
export function noise(tape, source) {
  function codes({ categorical, continuous }, n) {
    const y = tape.constant(n, widthOf({ law: "codes", categorical, continuous }), 0);
    for (let i = 0, at = y.at; i < n; i++) {
      for (const K of categorical) {
        tape.heap[at + source.below(K)] = 1;
        at += K;
      }
      for (let k = 0; k < continuous; k++) tape.heap[at++] = 2 * source.uniform() - 1;
    }
    return y;
  }
  return (law, n) => (law.law === "codes" ? codes(law, n) : tape.fill(n, law.d, numbers[law.law](source, law)));
}
export const widthOf = (law) => (law.law === "codes" ? law.categorical.reduce((a, b) => a + b, law.continuous) : law.d);

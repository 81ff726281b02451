// A latent code as gannotes.models lays it out: noise first, then one-hot blocks, then continuous codes.
import { arc, dot, mix } from "./paths.js";
import { clamp } from "./numbers.js";

// Random numbers that a test can repeat: mulberry32, and the Box-Muller transform.
export function generator(seed) {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

// `sliders` and `blocks` of a code with what reads and writes them; `draw`, `between` and `within` for whole codes.
export function layout({ noise, sliders: moved, categorical, continuous }) {
  const d = noise ? noise.first.length : 0, add = (z, direction, s) => z.map((v, i) => (i < d ? v + s * direction[i] : v));
  let at = d;
  const blocks = categorical.map((c) => {
    const from = at, to = (at += c.classes.length);
    const read = (z) => z.slice(from, to).indexOf(Math.max(...z.slice(from, to)));
    const write = (z, n) => z.map((v, i) => (i < from || i >= to ? v : +(i - from === n)));
    return { ...c, read, write };
  });
  const noisy = moved.map((s) => {
    const direction = s.direction ?? Array.from({ length: d }, (_, i) => +(i === s.index)), read = (z) => dot(direction, z);
    return { ...s, noise: true, read, shift: (z, by) => add(z, direction, by), write: (z, v) => add(z, direction, v - read(z)) };
  });
  const named = continuous.map((c) => {
    const i = at++;
    return { ...c, read: (z) => z[i], shift: (z) => z, write: (z, v) => z.with(i, v) };
  });
  const sliders = [...noisy, ...named];

  // New noise; without noise, new values of all sliders.
  const draw = (z, random) => {
    if (!d) return sliders.reduce((y, s) => s.write(y, s.low + (s.high - s.low) * random.uniform()), z);
    return z.map((v, i) => (i >= d ? v : noise.normal ? noise.first[i] + noise.second[i] * random.normal()
      : noise.first[i] + (noise.second[i] - noise.first[i]) * random.uniform()));
  };
  // Uniform noise ends where its interval ends.
  const within = (z) => (!d || noise.normal ? z : z.map((v, i) => (i < d ? clamp(v, noise.first[i], noise.second[i]) : v)));
  const between = (x, y, t, great) => {
    if (!great) return mix(x, y, t);
    const centred = (u) => u.slice(0, d).map((v, i) => v - noise.first[i]);
    return [...arc(centred(x), centred(y), t).map((v, i) => v + noise.first[i]), ...mix(x.slice(d), y.slice(d), t)];
  };
  return { d, blocks, sliders, draw, within, between, normal: !!noise?.normal };
}

// Numbers: from bytes, between limits, round ones for an axis, and as text.

// The numbers of a Bytes trait (a DataView): half-precision values become float32, exactly.
export function decode(view, dtype) {
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  if (dtype === "float32") return new Float32Array(bytes);
  if (dtype === "uint8") return new Uint8Array(bytes);
  return Float32Array.from(new Uint16Array(bytes), half);
}

export function half(h) {
  const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export const clamp = (v, low, high) => Math.max(low, Math.min(high, v));

export const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

// `count` numbers from low to high, both included.
export const spread = ([low, high], count) => Float64Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));

// The largest of 1, 2, 5 times a power of ten that is at most x.
export function nice(x) {
  const power = 10 ** Math.floor(Math.log10(x) + 1e-9), mantissa = x / power;
  return power * (mantissa >= 5 ? 5 : mantissa >= 2 ? 2 : 1);
}

// The least of a few round numbers that is at least x: limits that rest while a slider moves.
export function roundUp(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * [1, 1.5, 2, 3, 4, 6, 8, 10].find((m) => m * power >= x * (1 - 1e-9));
}

export const decimals = (step) => Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));

// A real minus sign keeps the width of a tabular digit.
export const number = (x, digits = 2) => x.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212");

// About `count` round values in an interval, each with its label.
export function ticks([low, high], count) {
  const step = nice(((high - low) / count) * 1.25), first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => [(first + k) * step, number((first + k) * step, decimals(step))]);
}

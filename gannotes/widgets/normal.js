// The normal law and its inverse.

// The law of N(0, 1) by Marsaglia's series, to the last digits.
export function Phi(z) {
  if (Math.abs(z) > 8) return z > 0 ? 1 : 0;
  let sum = z, before = 0, term = z;
  for (let i = 3; sum !== before; i += 2) {
    before = sum;
    term *= (z * z) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI);
}

// By bisection.
export function quantile(u) {
  let low = -8, high = 8;
  for (let i = 0; i < 56; i++) {
    const middle = (low + high) / 2;
    if (Phi(middle) < u) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// Paths from one code to another.
import { clamp } from "./numbers.js";

export const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
export const mix = (x, y, t) => x.map((v, i) => (1 - t) * v + t * y[i]);

// On the great circle the length of the code stays what the prior makes likely; a chord passes near the mean.
export function arc(x, y, t) {
  const cosine = dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)), angle = Math.acos(clamp(cosine, -1, 1));
  if (!(Math.sin(angle) > 1e-6)) return mix(x, y, t);
  return x.map((v, i) => (Math.sin((1 - t) * angle) * v + Math.sin(t * angle) * y[i]) / Math.sin(angle));
}

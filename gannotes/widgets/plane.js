// The latent plane: its frame, whose axes are z_1 and z_2 on the map that `share` makes of a coordinate, 0 to 1.
import { write, writeName } from "./charts.js";
import { number } from "./numbers.js";

export function drawAxes(context, ink, { box: { left, top, side }, limit, share }, quantiles) {
  const bottom = top + side;
  context.strokeStyle = ink("--gn-line");
  context.lineWidth = 1;
  context.strokeRect(Math.round(left) - 0.5, Math.round(top) - 0.5, Math.round(side) + 1, Math.round(side) + 1);
  context.fillStyle = ink("--gn-muted");
  for (let v = -Math.floor(limit); v <= limit; v++) {
    if (quantiles && Math.abs(v) > 2) continue; // too near to the border
    const s = share(v) * side;
    context.fillRect(Math.round(left + s), bottom + 1, 1, 4);
    context.fillRect(left - 5, Math.round(bottom - s), 4, 1);
    write(context, number(v, 0), left + s, bottom + 17);
    write(context, number(v, 0), left - 8, bottom - s + 4, "right");
  }
  // The names of the axes, between 0 and 1.
  const s = ((share(0) + share(1)) / 2) * side;
  context.fillStyle = ink("--gn-text");
  writeName(context, "z_1", left + s - 3, bottom + 16);
  writeName(context, "z_2", 12, bottom - s + 4);
}

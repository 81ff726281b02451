// Knots of a curve, as upright ranges that stand in its picture.
import { element } from "./elements.js";

const THUMB = 18; // the diameter of a knot, as in the style sheet

// The thumb of each range, not its border, ends at the limits of the axis. `limits` are those of the axis across,
// `outputs` those of the knots' values; `place(box)` puts them into a panel, `show(values, say)` sets them.
export function knotSliders({ knots, limits, outputs, name }, change) {
  const inputs = knots.map((x, i) => element("input", {
    type: "range", min: outputs[0], max: outputs[1], step: 0.05, "aria-orientation": "vertical",
    "aria-label": name(x), oninput: (event) => change(i, +event.target.value),
  }));
  const place = (box) => {
    const length = box.bottom - box.top + THUMB, scale = (box.right - box.left) / (limits[1] - limits[0]);
    inputs.forEach((input, i) => Object.assign(input.style, {
      width: `${length}px`, height: `${Math.min(48, scale * (knots[1] - knots[0]))}px`,
      left: `${box.left + (knots[i] - limits[0]) * scale}px`, top: `${(box.top + box.bottom) / 2}px`,
    }));
  };
  const show = (values, say) => inputs.forEach((input, i) => {
    input.value = values[i];
    input.setAttribute("aria-valuetext", say(values[i]));
  });
  return { inputs, place, show };
}

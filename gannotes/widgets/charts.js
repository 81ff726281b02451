// Curves on a canvas: the frame, its ticks, the theme's colours, any pixel density.

const FONT = "12px system-ui, sans-serif";

function ticks([low, high], count) {
  const step = nice(((high - low) / count) * 1.25), digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) values.push([k * step, number(k * step, digits)]);
  return values;
}

// The least of a few round numbers that is at least x: limits that rest while a slider moves.
function roundUp(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * [1, 1.5, 2, 3, 4, 6, 8, 10].find((m) => m * power >= x * (1 - 1e-9));
}

// A canvas that repaints with `draw(context, width, ink)` when its width or the theme changes; `height(width)` in pixels.
function chart(height, draw) {
  const canvas = element("canvas", { role: "img" }), context = canvas.getContext("2d"), stage = element("div", { class: "gn-stage" }, canvas);
  const paint = () => {
    const width = stage.clientWidth, ratio = window.devicePixelRatio || 1;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height(width) * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height(width)}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(canvas);
    draw(context, width, (colour) => style.getPropertyValue(colour).trim());
  };
  const sized = new ResizeObserver(paint), themed = new MutationObserver(paint);
  sized.observe(stage);
  for (const node of [document.documentElement, document.body]) themed.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  const stop = () => {
    sized.disconnect();
    themed.disconnect();
  };
  return { canvas, stage, paint, stop };
}

// One frame of a chart with its two maps from values to pixels.
function panel(context, ink, { left, right, top, bottom, x, y }) {
  const map = ([low, high], from, to) => (v) => from + ((v - low) / (high - low)) * (to - from);
  const X = map(x, left, right), Y = map(y, bottom, top), far = 1e5;
  const path = (xs, values) => {
    context.beginPath();
    values.forEach((v, i) => context.lineTo(X(xs[i]), Math.max(-far, Math.min(far, Y(v)))));
  };
  const inside = (action) => {
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
    action();
    context.restore();
  };
  const line = (xs, values, colour, width = 2, dash = []) => inside(() => {
    path(xs, values);
    context.strokeStyle = ink(colour);
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke();
  });
  const fill = (xs, values, colour, alpha) => inside(() => {
    path(xs, values);
    context.lineTo(X(xs.at(-1)), Y(0));
    context.lineTo(X(xs[0]), Y(0));
    context.globalAlpha = alpha;
    context.fillStyle = ink(colour);
    context.fill();
  });
  const segment = (x0, y0, x1, y1) => {
    context.beginPath();
    context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    context.stroke();
  };
  const text = (words, px, py, align) => {
    context.textAlign = align;
    context.fillText(words, px, py);
  };
  // Ticks: {x: labels below, y: labels at the left, right: [value, label] pairs at the right}.
  const frame = ({ below = true, right: marks = [] } = {}) => {
    context.lineWidth = 1;
    context.strokeStyle = ink("--gn-line");
    context.font = FONT;
    if (y[0] < 0 && y[1] > 0) segment(left, Y(0), right, Y(0));
    context.strokeRect(Math.round(left) + 0.5, Math.round(top) + 0.5, Math.round(right - left), Math.round(bottom - top));
    context.fillStyle = ink("--gn-muted");
    for (const [v, label] of ticks(x, Math.max(4, (right - left) / 60))) {
      segment(X(v), bottom, X(v), bottom + 4);
      if (below) text(label, X(v), bottom + 17, "center");
    }
    for (const [v, label] of ticks(y, Math.max(2, (bottom - top) / 40))) {
      segment(left - 4, Y(v), left, Y(v));
      text(label, left - 7, Y(v) + 4, "right");
    }
    for (const [v, label] of marks) {
      segment(right, Y(v), right + 4, Y(v));
      text(label, right + 7, Y(v) + 4, "left");
    }
  };
  return { X, Y, line, fill, frame };
}

// A mark of the legend as it is drawn in the chart.
function swatch(colour, { dash = "", fill = 0, width = 2 } = {}) {
  const holder = element("span", { "aria-hidden": "true" });
  holder.innerHTML = `<svg width="30" height="12"><rect width="30" height="12" style="fill:var(${colour});opacity:${fill}"/>
    <line x1="0" y1="${fill ? 1 : 6}" x2="30" y2="${fill ? 1 : 6}" style="stroke:var(${colour})" stroke-width="${width}" stroke-dasharray="${dash}"/></svg>`;
  return holder.firstChild;
}
const entry = (mark, ...words) => element("li", {}, mark, element("span", {}, ...words));

// A saved run: points in the plane over a critic's field, or curves over a line, one frame at a time.
import { card, follow } from "./card.js";
import { chart, dotMark, fieldLegend, legend, panel, ringMark, rugMark, scale, swatch } from "./charts.js";
import { element, symbol } from "./elements.js";
import { clamp, decode, number, ticks } from "./numbers.js";
import { transport } from "./transport.js";

// Colour is never the only difference: every curve has its own dashes.
const ROLES = {
  p: { colour: "--gn-p", dash: [], width: 2 },
  q: { colour: "--gn-q", dash: [8, 4], width: 2.5 },
  D: { colour: "--gn-D", dash: [2, 3], width: 2.5 },
  "D*": { colour: "--gn-best", dash: [9, 3, 2, 3], width: 1.75 },
};
const OTHERS = [[5, 2, 1, 2], [12, 3], [4, 4], [1, 3]];

// The curves with their looks and `values(t)`: in the block the grid comes first, then each curve, moving or not.
function readCurves({ curves, frames, grid }, flat) {
  let used = grid;
  return curves.map((c, i) => {
    const at = used, style = ROLES[c.name] ?? { colour: "--gn-other", dash: OTHERS[i % OTHERS.length], width: 2 };
    used += c.moving ? frames * grid : grid;
    return { ...c, ...style, values: (t) => flat.subarray(at + (c.moving ? t * grid : 0), at + (c.moving ? t + 1 : 1) * grid) };
  });
}

// The run as numbers.
function read(model) {
  const view = model.get("view"), flat = decode(model.get("curves"), "float16");
  return {
    ...view,
    last: view.frames - 1,
    size: view.plane ? 2 : 1,
    points: decode(model.get("points"), "float16"),
    count: view.points,
    data: decode(model.get("data"), "float16"),
    values: decode(model.get("field"), "uint8"),
    line: flat.subarray(0, view.grid),
    curves: readCurves(view, flat),
  };
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// The field of frame t: the data's colour where it is high, the model's where it is low. The outer values lie on the
// border of the plot, the pixels' centres half a cell inside the image.
function drawField(run, cells, context, box, t, ink) {
  const [h, w] = run.field.size, image = new ImageData(w, h), p = rgb(ink("--gn-p")), q = rgb(ink("--gn-q"));
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const v = run.values[(t * h + i) * w + j] / 127.5 - 1, at = 4 * ((h - 1 - i) * w + j);
      image.data.set(v > 0 ? p : q, at);
      image.data[at + 3] = 130 * Math.abs(v);
    }
  cells.getContext("2d").putImageData(image, 0, 0);
  const dx = (box.right - box.left) / (w - 1), dy = (box.bottom - box.top) / (h - 1);
  context.drawImage(cells, box.left - dx / 2, box.top - dy / 2, w * dx, h * dy);
}

// Many data are a pale cloud, few are rings that one can count.
function drawPlane(run, plot, t) {
  const { data, points, count } = run;
  plot.dots(data, "--gn-p", { radius: 3.5, width: 1.25, alpha: clamp(150 / data.length, 0.2, 0.6) });
  plot.dots(points.subarray(2 * t * count, 2 * (t + 1) * count), "--gn-q");
}

function drawLine(run, plots, t) {
  for (const curve of run.curves) {
    const plot = plots[+curve.right];
    if (curve.name === "p") plot.fill(run.line, curve.values(t), curve.colour, 0.12);
    plot.line(run.line, curve.values(t), curve.colour, curve.width, curve.dash);
  }
  plots[0].rug(run.data, "--gn-p");
  plots[0].rug(run.points.subarray(t * run.count, (t + 1) * run.count), "--gn-q", true);
}

function picture(run, now) {
  const cells = run.field ? element("canvas", { width: run.field.size[1], height: run.field.size[0] }) : null;
  const box = (width) => {
    const left = 54, top = 10, right = width - (run.right ? 48 : 12);
    const aspect = (run.y[1] - run.y[0]) / (run.x[1] - run.x[0]);
    return { left, right, top, bottom: top + (run.plane ? (right - left) * aspect : Math.min(300, 0.5 * width)), x: run.x, y: run.y };
  };
  return chart((width) => box(width).bottom + 42, (context, width, ink) => {
    const at = box(width), plot = panel(context, ink, at), t = now();
    if (cells) plot.cut(() => drawField(run, cells, context, at, t, ink));
    if (run.plane) drawPlane(run, plot, t);
    else drawLine(run, [plot, run.right && panel(context, ink, { ...at, y: run.right })], t);
    const back = run.right && scale(run.right, ...run.y);
    const right = run.right ? ticks(run.right, Math.max(2, (at.bottom - at.top) / 40)).map(([v, label]) => [back(v), label]) : [];
    plot.frame({ zero: false, right, names: run.axes });
  });
}

function describe(run) {
  const { plane, curves, names, data, points, field } = run, mark = (colour, full) => (!plane ? rugMark : full ? dotMark : ringMark)(colour);
  const list = legend(
    ...curves.map((c) => [swatch(c.colour, { dash: c.dash, width: c.width }), symbol(c.name), c.right ? ", axis at the right" : ""]),
    ...(data.length ? [[mark("--gn-p", false), names[0], plane ? "" : ", from below"]] : []),
    ...(points.length ? [[mark("--gn-q", true), names[1], plane ? "" : ", from above"]] : []));
  if (field) list.append(fieldLegend(field.name, ...field.limits.map((v) => number(v, 2).replace(/\.?0+$/, ""))));
  return list;
}

function render({ model, el }) {
  const run = read(model), title = model.get("title"), player = transport(model, run.last, model.get("labels"));
  const { canvas, stage, paint, stop } = picture(run, player.now), caption = element("span", { class: "gn-caption" });
  stage.classList.toggle("gn-plane", run.plane);
  card(model, el, "player", "Training run", describe(run), stage, caption, player.node, player.voice.node);
  const refresh = () => {
    const label = player.show();
    caption.textContent = label;
    canvas.setAttribute("aria-label", `${title || (run.plane ? "Points of a training run" : "Curves of a training run")}, ${label}`);
    paint();
  };
  return follow(model, "change:frame", refresh, player.stop, stop);
}

export default { render };

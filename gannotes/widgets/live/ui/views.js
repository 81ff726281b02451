// The pictures of each model: [{title, height(width), draw(context, width, ink, scene), marks}], scene being the last frame
// with `window`, `on` (the layers that are shown), `bound`, `pen` (where the reader draws) and `pointed` ({of, k}: the k-th mark
// of a picture, or null), all in the networks' coordinates; marks are what can be pointed at:
// {of, at(layers), window(scene), words(layers, k)}.
import { panel, write } from "../../charts.js";
import { number } from "../../numbers.js";
import { drawLine, lineHeight } from "./line.js";
import { drawArrows, drawContour, drawCrosses, drawEllipses, drawField, drawThreads, drawWarp } from "./plane.js";

const LATENT = [[-4, 4], [-4, 4]];
const square = (width) => Math.min(width, 440);

// A square panel in the middle of the canvas.
export function squareBox(width, window) {
  const side = square(width) - 4, left = (width - side) / 2;
  return { left, right: left + side, top: 2, bottom: 2 + side, x: window[0], y: window[1] };
}
const plane = (context, width, ink, window, paint) => planeIn(context, squareBox(width, window), ink, paint);
function planeIn(context, box, ink, paint) {
  const plot = panel(context, ink, box);
  plot.cut(() => paint(plot, box));
  context.strokeStyle = ink("--gn-line");
  context.lineWidth = 1;
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
}

// Samples in one colour, or in those of their classes.
function drawSamples(plot, ink, { x, label }) {
  if (!label) return plot.dots(x, "--gn-q", { radius: 2, alpha: 0.85 });
  const classes = [];
  label.forEach((k, i) => (classes[k] ??= []).push(x[2 * i], x[2 * i + 1]));
  classes.forEach((own, k) => plot.dots(own, `--gn-c${k % 10}`, { radius: 2.4, alpha: 0.9 }));
}
function drawGame(context, width, ink, { layers, window, on, pen }) {
  plane(context, width, ink, window, (plot, box) => {
    if (on("critic") && layers.critic) {
      drawField(context, box, layers.critic.v, ink);
      drawContour(context, box, layers.critic.v, ink);
    }
    if (on("warp") && layers.warp) drawWarp(context, plot, layers.warp, ink("--gn-muted"));
    if (on("samples")) drawSamples(plot, ink, layers.samples);
    if (on("data")) drawCrosses(context, plot, layers.data.x, ink("--gn-p"));
    if (on("arrows") && layers.arrows) drawArrows(context, plot, layers.arrows, window, ink("--gn-text"));
    if (pen) drawCrosses(context, plot, pen, ink("--gn-text"), 9);
  });
}

// What is pointed at: a ring, and a thread to what comes back.
function drawPointed(plot, context, ink, from, to) {
  if (to) {
    context.strokeStyle = ink("--gn-text");
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(plot.X(from[0]), plot.Y(from[1]));
    context.lineTo(plot.X(to[0]), plot.Y(to[1]));
    context.stroke();
    plot.dots(to, "--gn-text", { radius: 3.5, alpha: 1 });
  }
  plot.dots(from, "--gn-text", { radius: 7, alpha: 1, width: 2 });
}
const pick = (x, k) => (x ? x.subarray(2 * k, 2 * k + 2) : null);

// One domain of a CycleGAN: its data, what is made for it, and threads from data back to data.
const domain = ({ own, made, back, field }) => (context, width, ink, { layers, window, other, on, pointed }) => {
  const { translations: t, critic } = layers;
  plane(context, width, ink, own === "y" ? other ?? window : window, (plot, box) => {
    if (on("critic") && critic) drawField(context, box, critic[field], ink);
    if (on("threads")) drawThreads(context, plot, t[own].subarray(0, 160), t[back].subarray(0, 160), ink("--gn-muted"));
    if (on("data")) drawCrosses(context, plot, t[own], ink("--gn-p"));
    for (let k = 0; k < 8; k++) plot.dots(sector(t[made], own === "y" ? t.x : t.y, k), `--gn-c${k}`, { radius: 2.2 });
    if (!pointed) return;
    if (pointed.of === own) drawPointed(plot, context, ink, pick(t[own], pointed.k), pick(t[back], pointed.k));
    else drawPointed(plot, context, ink, pick(t[made], pointed.k));
  });
};
// Points made from those of one of eight directions: what is near stays near, or does not.
function sector(made, from, k) {
  const out = [];
  for (let i = 0; i < made.length; i += 2) {
    const turn = (Math.atan2(from[i + 1], from[i]) / (2 * Math.PI) + 1) % 1;
    if (Math.floor(turn * 8) === k) out.push(made[i], made[i + 1]);
  }
  return out;
}

// Data, and where the decoder takes noise; threads from data to what comes back.
function drawDecoded(context, width, ink, { layers, window, on, pointed }) {
  plane(context, width, ink, window, (plot) => {
    const { samples, encoded, pairs, data } = layers, [from, to] = encoded ? [encoded.x, encoded.xMean] : pairs ? [pairs.x, pairs.xBack] : [];
    if (on("samples") && samples) plot.dots(samples.x, "--gn-q", { radius: 2, alpha: 0.7 });
    if (on("data")) drawCrosses(context, plot, data.x, ink("--gn-p"));
    if (on("threads") && from) drawThreads(context, plot, from, to, ink("--gn-muted"));
    if (!pointed || !from) return;
    drawPointed(plot, context, ink, pick(from, pointed.k), pick(to, pointed.k));
    if (encoded?.xSd) drawEllipses(context, plot, pick(to, pointed.k), pick(encoded.xSd, pointed.k), () => ink("--gn-q"));
  });
}
function drawLatent(context, width, ink, { layers: { encoded, pairs, samples }, on, pointed }) {
  plane(context, width, ink, LATENT, (plot) => {
    for (const r of [1, 2]) drawEllipses(context, plot, [0, 0], [r, r], () => ink("--gn-line"));
    if (on("samples") && samples) plot.dots(samples.z, "--gn-q", { radius: 1.6, alpha: 0.5 });
    if (on("ellipses") && encoded?.sd) drawEllipses(context, plot, encoded.mean, encoded.sd, () => ink("--gn-p"), 2);
    else drawCrosses(context, plot, (encoded ?? pairs).z, ink("--gn-p"));
    if (!pointed) return;
    if (!encoded?.sd) return drawPointed(plot, context, ink, pick((encoded ?? pairs).z, pointed.k));
    const mean = pick(encoded.mean, pointed.k);
    plot.dots(mean, "--gn-text", { radius: 3, alpha: 1 });
    for (const r of [1, 2]) drawEllipses(context, plot, mean, pick(encoded.sd, pointed.k).map((s) => r * s), () => ink("--gn-text"));
  });
}
function drawPosteriors(context, width, ink, { layers: { posteriors } }) {
  plane(context, width, ink, LATENT, (plot, box) => posteriors.forEach(({ z, posterior }, k) => {
    drawContour(context, box, Array.from(posterior, (p) => p - 0.25), ink);
    plot.dots(z, `--gn-c${k}`, { radius: 1.6, alpha: 0.6 });
  }));
}
// Pairs of x and z, both on the line: those of the encoder are crosses, those of the decoder dots, over a critic or the best one.
const joint = (which) => (context, width, ink, { layers: { pairs: { x, z, xMade, zMade }, critic }, window }) => {
  const both = (a, b) => Float32Array.from({ length: 2 * a.length }, (_, i) => (i % 2 ? b : a)[i >> 1]), v = critic?.[which];
  plane(context, width, ink, [window[0], LATENT[0]], (plot, box) => {
    if (v) {
      drawField(context, box, v, ink);
      drawContour(context, box, v, ink);
    }
    plot.dots(both(xMade, zMade), "--gn-q", { radius: 2, alpha: 0.85 });
    drawCrosses(context, plot, both(x, z), ink("--gn-p"));
  });
};

// What the critic has learnt of log q(z | x) - log p_0(z) for the first point, and what there is to learn.
function drawRatio(context, width, ink, { layers: { posteriors: [first] } }) {
  const side = halves(width) - 22;
  [["r", first.ratio], ["r*", first.best]].forEach(([name, v], i) => {
    const left = i * (width - side - 4) + 2, box = { left, right: left + side, top: 20, bottom: 20 + side, x: LATENT[0], y: LATENT[1] };
    planeIn(context, box, ink, () => {
      drawField(context, box, v, ink);
      drawContour(context, box, v, ink);
    });
    context.fillStyle = ink("--gn-text");
    write(context, name, left + side / 2, 14, "center", "italic 15px Georgia, serif");
  });
}
const halves = (width) => Math.round(Math.min(width / 2 - 6, 220)) + 22;

const game = (title, draw, marks = null) => ({ title, height: square, draw, marks });
const place = (x, k) => `(${[...pick(x, k)].map((v) => number(v)).join(", ")})`;
const data = {
  of: "x", window: ({ window }) => window, at: ({ encoded, pairs }) => (encoded ?? pairs)?.x,
  words: ({ encoded, pairs }, k) => `x ${place((encoded ?? pairs).x, k)}, z ${place(encoded?.mean ?? (encoded ?? pairs).z, k)}, x\u2032 ${place(encoded?.xMean ?? pairs.xBack, k)}`,
};
const codes = { ...data, window: () => LATENT, at: ({ encoded, pairs }) => encoded?.mean ?? (encoded ?? pairs)?.z };
const home = (of, own, made, back, [F, G]) => ({
  of, window: ({ window, other }) => (of === "y" ? other ?? window : window), at: ({ translations: t }) => t[own],
  words: ({ translations: t }, k) => `${of} ${place(t[own], k)}, ${F}(${of}) ${place(t[made], k)}, ${G}(${F}(${of})) ${place(t[back], k)}`,
});
const VIEWS = {
  gan: [game("data and samples", drawGame)],
  infogan: [game("data, and samples coloured by their code", drawGame)],
  cyclegan: [
    game("the first domain: data x, F(y), and threads from x to F(G(x))", domain({ own: "x", made: "xMade", back: "xBack", field: "X" }), home("x", "x", "yMade", "xBack", "GF")),
    game("the second domain: data y, G(x), and threads from y to G(F(y))", domain({ own: "y", made: "yMade", back: "yBack", field: "Y" }), home("y", "y", "xMade", "yBack", "FG")),
  ],
  vae: [game("data and decoded noise", drawDecoded, data), game("the latent plane: encoder ellipses over noise", drawLatent, codes)],
  ali: [game("data and decoded noise", drawDecoded, data), game("the latent plane: codes of data over noise", drawLatent, codes)],
  avb: [
    game("the latent plane: samples of the encoder in the exact posteriors", drawPosteriors),
    { ...game("of the first point: the learnt log ratio r of encoder and noise, and the best one, r*", drawRatio), height: halves },
  ],
};
const JOINT = [
  game("the plane of x and z: pairs of the encoder, pairs of the decoder, and the critic", joint("v")),
  game("the same pairs over the best critic", joint("best")),
];
export const viewsOf = (model, d) => (model === "ali" && d === 1 ? JOINT : model === "gan" && d === 1
  ? [{ title: "densities of data and samples, and the critic beside the best one", height: lineHeight, draw: drawLine }]
  : model === "avb" && d === 2 ? VIEWS.vae : VIEWS[model]);

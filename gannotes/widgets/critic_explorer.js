// The f-GAN bound for a critic that the reader bends: each knot of v(x) is a slider that stands in the picture.

const CHOICES = ["kl", "reverse_kl", "pearson", "neyman", "squared_hellinger", "jeffrey", "jensen_shannon", "gan", "total_variation", "alpha(0.5)"];
const THUMB = 18; // the diameter of a knot, as in the style sheet

// v is Catmull and Rom's cubic between the knots, level at the outer ones and constant beyond: the up to four knots
// that it depends on at x, with their weights, [index, weight] each.
function locate(knots, x) {
  const last = knots.length - 1, place = (x - knots[0]) / (knots[1] - knots[0]);
  const i = Math.max(0, Math.min(last - 1, Math.floor(place))), t = Math.max(0, Math.min(1, place - i)), s = 1 - t;
  const weights = [[i, s * s * (1 + 2 * t)], [i + 1, t * t * (3 - 2 * t)]], left = (t * s * s) / 2, right = (t * t * s) / 2;
  if (i > 0) weights.push([i + 1, left], [i - 1, -left]);
  if (i < last - 1) weights.push([i, right], [i + 2, -right]);
  return weights;
}
const short = (t) => number(+t.toPrecision(Math.abs(t) < 1 ? 2 : 3), 4).replace(/\.?0+$/, "");
const curve = (places, v) => places.map((weights) => weights.reduce((sum, [i, w]) => sum + w * v[i], 0));

function render({ model, el }) {
  const p = model.get("p"), q = model.get("q"), knots = model.get("x"), limits = model.get("limits"), outputs = model.get("outputs");
  const origin = model.get("f");
  const places = Array.from(GRID.x, (x) => locate(knots, x)), lp = logDensity(p, GRID.x), lq = logDensity(q, GRID.x);
  const P = lp.map((l, i) => Math.exp(l) * GRID.dx[i]), Q = lq.map((l, i) => Math.exp(l) * GRID.dx[i]);
  const inside = (v) => Math.max(outputs[0], Math.min(outputs[1], v));
  const truth = Object.fromEntries(CHOICES.map((key) => [key, divergence(ROWS[key], p, q, lp, lq)]));

  // E_p[t], E_q[f*(t)] and their difference.
  const evaluate = (key, v) => {
    const { h, penalty } = ROWS[key], values = curve(places, v);
    const reward = values.reduce((sum, y, i) => sum + P[i] * h(y), 0), cost = values.reduce((sum, y, i) => sum + Q[i] * penalty(y), 0);
    return { reward, cost, bound: reward - cost, truth: truth[key] };
  };
  const gradient = (key, v) => {
    const { dh, dpenalty } = ROWS[key], values = curve(places, v), g = v.map(() => 0);
    values.forEach((y, n) => {
      const slope = P[n] * dh(y) - Q[n] * dpenalty(y);
      for (const [i, w] of places[n]) g[i] += w * slope;
    });
    return g;
  };
  // A step along the gradient, halved until the bound rises.
  const ascend = (key, v) => {
    const g = gradient(key, v), now = evaluate(key, v).bound;
    for (let rate = 4; rate > 1e-6; rate /= 2) {
      const next = v.map((y, i) => inside(y + rate * g[i]));
      if (evaluate(key, next).bound > now) return next;
    }
    return v;
  };
  const log = (x) => logDensity(p, x).map((l, i) => l - logDensity(q, x)[i]);
  const optimum = (key) => Array.from(log(Float64Array.from(knots)), (L) => inside(ROWS[key].best(L)));

  // The picture: the densities and where the gap is; below, the critic on the scale of v, with t = h(v) at the right.
  const box = {};
  const total = (width) => Math.min(430, Math.max(350, 0.62 * width));
  const drawing = chart(total, (context, width, ink) => {
    const key = model.get("f"), row = ROWS[key], v = model.get("v"), count = Math.ceil(width / 1.5);
    const x = Float64Array.from({ length: count }, (_, i) => limits[0] + ((limits[1] - limits[0]) * i) / (count - 1));
    const [a, b] = [p, q].map((d) => logDensity(d, x)), density = [a, b].map((l) => l.map(Math.exp));
    const y = curve(Array.from(x, (u) => locate(knots, u)), v);
    const gap = x.map((_, i) => Math.max(0, row.integrand(a[i], b[i]) - density[0][i] * row.h(y[i]) + density[1][i] * row.penalty(y[i])));
    const bottom = total(width) - 24, middle = 0.36 * bottom, narrow = width < 480;
    const sides = { left: narrow ? 34 : 44, right: width - (narrow ? 50 : 56), x: limits };
    const upper = panel(context, ink, { ...sides, top: 6, bottom: middle - 8, y: [0, roundUp(1.04 * Math.max(...density[0], ...density[1]))] });
    upper.frame({ below: false });
    upper.fill(x, gap, "--gn-other", 0.3);
    upper.line(x, gap, "--gn-other", 1);
    upper.fill(x, density[0], "--gn-p", 0.12);
    upper.line(x, density[0], "--gn-p");
    upper.line(x, density[1], "--gn-q", 2.25, [8, 4]);
    Object.assign(box, { ...sides, top: middle + 8, bottom });
    const marks = ticks(outputs, (bottom - middle) / 40).map(([u]) => [u, short(row.h(u))]);
    const lower = panel(context, ink, { ...box, y: outputs });
    lower.frame({ right: marks });
    const beyond = outputs.map((u) => 2 * u);
    const best = x.map((_, i) => Math.max(beyond[0], Math.min(beyond[1], row.best(a[i] - b[i]))));
    lower.line(x, best, "--gn-best", 1.75, [2, 4]);
    lower.line(x, y, "--gn-D", 2.5);
    context.fillStyle = ink("--gn-text");
    context.font = "italic 15px Georgia, serif";
    context.textAlign = "left";
    context.fillText("v", sides.left + 7, middle + 25);
    context.textAlign = "right";
    context.fillText("t", sides.right - 7, middle + 25);
    place();
  });
  const { canvas, stage } = drawing;
  stage.classList.add("gn-knots");

  const set = (change) => {
    model.set(change);
    model.save_changes();
  };
  const sliders = knots.map((x, i) => {
    const input = element("input", { type: "range", min: outputs[0], max: outputs[1], step: 0.05, "aria-orientation": "vertical", "aria-label": `v at x = ${number(x)}` });
    input.addEventListener("input", () => set({ v: model.get("v").with(i, +input.value) }));
    return input;
  });
  stage.append(...sliders);
  // A horizontal range turned upright: its thumb, not its border, ends at the limits of the axis.
  const place = () => {
    const length = box.bottom - box.top + THUMB, column = ((box.right - box.left) * (knots[1] - knots[0])) / (limits[1] - limits[0]);
    sliders.forEach((input, i) => {
      const x = box.left + ((knots[i] - limits[0]) / (limits[1] - limits[0])) * (box.right - box.left);
      Object.assign(input.style, { width: `${length}px`, height: `${Math.min(48, column)}px`, left: `${x}px`, top: `${(box.top + box.bottom) / 2}px` });
    });
  };

  // The terms of the bound, as bars on one scale around zero: the column adds up, twice.
  const terms = [
    ["reward", "E_{p}[t]", "--gn-p"], ["cost", "\u2212E_{q}[f*(t)]", "--gn-q"], ["bound", "bound", "--gn-D"],
    ["gap", "gap", "--gn-other"], ["truth", "D_{f}(p \u2016 q)", "--gn-best"],
  ].map(([key, words, colour]) => {
    const value = element("span", { class: "gn-value" }), bar = element("span", { class: "gn-fill", style: `background:var(${colour})` });
    const show = (numbers, scale) => {
      const v = key === "cost" ? -numbers.cost : numbers[key], [from, to] = key === "gap" ? [numbers.bound, numbers.truth] : [0, v];
      const percent = (u) => Math.max(0, Math.min(100, 50 + (50 * u) / scale));
      value.textContent = amount(v, v === Infinity);
      bar.style.left = `${percent(Math.min(from, to))}%`;
      bar.style.width = `${percent(Math.max(from, to)) - percent(Math.min(from, to))}%`;
    };
    return { show, node: element("div", { class: `gn-measure gn-term gn-${key}` }, element("span", { class: "gn-name" }, ...maths(words)), value, element("span", { class: "gn-bars", "aria-hidden": "true" }, bar)) };
  });

  const pick = element("select", { onchange: () => set({ f: CHOICES[pick.selectedIndex] }) }, ...CHOICES.map((key) => element("option", { value: key }, plain(ROWS[key].label))));
  const button = (text, action) => element("button", { type: "button", onclick: action }, text);
  const steps = (n) => () => {
    let v = model.get("v");
    for (let i = 0; i < n; i++) v = ascend(model.get("f"), v);
    set({ v });
  };
  const formula = element("p", { class: "gn-formula gn-maths" }), status = element("p", { role: "status", class: "gn-hidden" });
  let timer = 0;
  const refresh = () => {
    const key = model.get("f"), row = ROWS[key], v = model.get("v"), numbers = evaluate(key, v);
    numbers.gap = numbers.truth - numbers.bound;
    const size = Math.min(4 * Math.max(1, Number.isFinite(numbers.truth) ? Math.abs(numbers.truth) : 1), Math.max(0.1, Math.abs(numbers.reward), Math.abs(numbers.cost), Math.abs(numbers.bound), Number.isFinite(numbers.truth) ? Math.abs(numbers.truth) : 0));
    terms.forEach((term) => term.show(numbers, roundUp(size)));
    pick.value = key;
    sliders.forEach((input, i) => {
      input.value = v[i];
      input.setAttribute("aria-valuetext", `v = ${number(v[i])}, t = ${amount(row.h(v[i]))}`);
    });
    formula.replaceChildren(...maths(`t = h_{f}(v) = ${row.link},\u2003f*(t) = ${row.conjugate},\u2003${row.domain}`));
    const said = `${plain(row.label)}: bound ${amount(numbers.bound)} of ${amount(numbers.truth, numbers.truth === Infinity)}, gap ${amount(numbers.gap, numbers.gap === Infinity)}`;
    canvas.setAttribute("aria-label", `p: ${describe(p)}; q: ${describe(q)}; ${said}; v at the knots: ${v.map((y) => number(y)).join(", ")}`);
    drawing.paint();
    clearTimeout(timer);
    timer = setTimeout(() => (status.textContent = said), 600);
  };

  const title = model.get("title");
  el.append(element("div", { class: "gannotes-widget gannotes-critic", role: "group", "aria-label": title || "Critic explorer" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    element("ul", { class: "gn-legend" },
      entry(swatch("--gn-p", { fill: 0.12 }), symbol("p")),
      entry(swatch("--gn-q", { dash: "8 4", width: 2.25 }), symbol("q")),
      entry(swatch("--gn-other", { fill: 0.3, width: 1 }), "the gap, by x"),
      entry(swatch("--gn-D", { width: 2.5 }), "critic"),
      entry(swatch("--gn-best", { dash: "2 4", width: 1.75 }), "optimum ", symbol("t*"))),
    stage,
    element("div", { class: "gn-halves" },
      element("div", {},
        element("label", { class: "gn-pick" }, element("span", {}, "Divergence"), pick),
        formula,
        element("div", { class: "gn-buttons" }, button("Ascend", steps(1)), button("20 steps", steps(20)),
          button("Follow t*", () => set({ v: optimum(model.get("f")) })), button("Reset", () => set({ v: knots.map(() => 0), f: origin })))),
      element("div", { class: "gn-measures" }, ...terms.map((t) => t.node))),
    status));
  model.on("change", refresh);
  refresh();
  canvas.gannotes = { evaluate, gradient, ascend, optimum };
  return () => {
    clearTimeout(timer);
    drawing.stop();
    model.off("change", refresh);
  };
}

export default { render };

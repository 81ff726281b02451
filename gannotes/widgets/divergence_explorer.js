// Two densities that the reader moves, where a divergence comes from, and what all divergences say.

const MEANS = [-4, 4], SDS = [0.2, 4], WEIGHTS = [0.05, 0.95], ALPHAS = [-2, 3], STEP = 0.05;
const TABLE = ["kl", "reverse_kl", "pearson", "neyman", "squared_hellinger", "jeffrey", "jensen_shannon", "half_jensen_shannon", "gan", "total_variation", "alpha"];
const rowOf = (key, a) => (key === "alpha" ? alphaRow(a) : ROWS[key]);

// The free numbers of q (means, logarithms of sds, log odds of the weights) and back, kept inside the sliders' ranges.
const clamp = (v, [low, high]) => Math.max(low, Math.min(high, v));
const pack = ({ weights, means, sds }) => [...means, ...sds.map(Math.log), ...weights.slice(1).map((w) => Math.log(w / (1 - w)))];
const unpack = (z) => {
  const M = z.length === 2 ? 1 : 2, odds = z.slice(2 * M), w = odds.map((o) => clamp(1 / (1 + Math.exp(-o)), WEIGHTS));
  return { weights: M === 1 ? [1] : [1 - w[0], w[0]], means: z.slice(0, M).map((m) => clamp(m, MEANS)), sds: z.slice(M, 2 * M).map((s) => clamp(Math.exp(s), SDS)) };
};

// Nelder and Mead's simplex: needs no derivative, and takes an infinite value for a bad one.
function minimise(f, start, reach) {
  const point = (z) => ({ z, value: f(z) }), n = start.length;
  let simplex = [point(start), ...start.map((_, i) => point(start.with(i, start[i] + reach)))];
  for (let step = 0; step < 150 * n; step++) {
    simplex.sort((a, b) => a.value - b.value);
    const [best, worst, second] = [simplex[0], simplex[n], simplex[n - 1]];
    if (Math.max(...simplex.map((s) => Math.max(...s.z.map((v, i) => Math.abs(v - best.z[i]))))) < 1e-7) break;
    const centre = start.map((_, i) => simplex.slice(0, n).reduce((sum, s) => sum + s.z[i], 0) / n);
    const along = (t) => point(centre.map((c, i) => c + t * (c - worst.z[i])));
    const mirror = along(1);
    let next = mirror;
    if (mirror.value < best.value) {
      const far = along(2);
      if (far.value < mirror.value) next = far;
    } else if (!(mirror.value < second.value)) {
      next = along(mirror.value < worst.value ? 0.5 : -0.5);
      if (!(next.value < Math.min(mirror.value, worst.value))) {
        simplex = simplex.map((s, i) => (i ? point(s.z.map((v, j) => (v + best.z[j]) / 2)) : s));
        continue;
      }
    }
    simplex[n] = next;
  }
  return simplex.sort((a, b) => a.value - b.value)[0];
}

// The nearest local minimum from q, or, where q's divergence is infinite, from a density where it is not.
function fit(row, p, q) {
  const lp = logDensity(p, GRID.x), M = q.means.length;
  const value = (z) => {
    const kept = unpack(z), D = divergence(row, p, kept, lp);
    const beyond = pack(kept).reduce((sum, v, i) => sum + Math.abs(v - z[i]), 0); // else the outside is a plateau
    return D === Infinity ? D : D + (1 + Math.abs(D)) * beyond;
  };
  const mean = p.means.reduce((sum, m, i) => sum + p.weights[i] * m, 0);
  const spread = Math.sqrt(p.means.reduce((sum, m, i) => sum + p.weights[i] * (p.sds[i] ** 2 + (m - mean) ** 2), 0));
  const like = (m, s) => pack({ weights: Array(M).fill(1 / M), means: Array(M).fill(m), sds: Array(M).fill(s) });
  const starts = [like(mean, Math.max(spread, ...p.sds)), ...p.means.map((m, i) => like(m, p.sds[i]))];
  let z = pack(q);
  if (value(z) === Infinity) z = starts.sort((a, b) => value(a) - value(b))[0];
  const first = minimise(value, z, 0.3), { z: last, value: least } = minimise(value, first.z, 0.05);
  return { q: unpack(last), value: least };
}

function render({ model, el }) {
  const limits = model.get("limits"), pairs = model.get("pairs");
  const origin = { row: model.get("row"), a: model.get("a") };
  const state = () => ({ p: model.get("p"), q: model.get("q"), a: model.get("a") });
  let values = {};

  const evaluate = ({ p, q, a }) => {
    const lp = logDensity(p, GRID.x), lq = logDensity(q, GRID.x);
    return Object.fromEntries(TABLE.map((key) => [key, divergence(rowOf(key, a), p, q, lp, lq)]));
  };
  const diverges = (key, { p, q, a }) => {
    const { power } = rowOf(key, a);
    return power != null && infinite(power, p, q);
  };

  // The picture: both densities, and below them the integrand of the chosen row.
  const drawing = chart((width) => Math.min(360, Math.max(270, 0.52 * width)), (context, width, ink) => {
    const { p, q, a } = state(), row = rowOf(model.get("row"), a), count = Math.ceil(width / 1.5);
    const x = Float64Array.from({ length: count }, (_, i) => limits[0] + ((limits[1] - limits[0]) * i) / (count - 1));
    const lp = logDensity(p, x), lq = logDensity(q, x), density = [lp, lq].map((l) => l.map(Math.exp));
    const integrand = x.map((_, i) => row.integrand(lp[i], lq[i]));
    const bottom = Math.min(360, Math.max(270, 0.52 * width)) - 24, middle = 0.53 * bottom, box = { left: 44, right: width - 10, x: limits };
    const peak = Math.max(...density[0], ...density[1]), cap = Math.min(1e300, 6 * peak);
    const high = roundUp(Math.max(0.02 * peak, Math.min(cap, Math.max(...integrand))) * 1.04);
    const low = -roundUp(Math.max(0.06 * high, Math.min(cap, -Math.min(...integrand)) * 1.04));
    const upper = panel(context, ink, { ...box, top: 6, bottom: middle - 7, y: [0, roundUp(1.04 * peak)] });
    upper.frame({ below: false });
    upper.fill(x, density[0], "--gn-p", 0.14);
    upper.line(x, density[0], "--gn-p");
    upper.line(x, density[1], "--gn-q", 2.25, [8, 4]);
    const lower = panel(context, ink, { ...box, top: middle + 7, bottom, y: [low, high] });
    lower.frame();
    lower.fill(x, integrand, "--gn-other", 0.16);
    lower.line(x, integrand, "--gn-other", 1.75);
  });
  const { canvas } = drawing, formula = element("span", { class: "gn-maths" });

  // Controls. Every change goes through the model, so a kernel, a second view and this view agree.
  let timer = 0, moving = null;
  const note = element("p", { role: "status", class: "gn-note" }), status = element("p", { role: "status", class: "gn-hidden" });
  const still = () => {
    cancelAnimationFrame(moving);
    moving = null;
  };
  const set = (change) => {
    still();
    note.textContent = "";
    model.set(change);
    model.save_changes();
  };
  const slider = (letter, words, [min, max], read, write) => {
    const input = element("input", { type: "range", min, max, step: STEP, "aria-label": words }), output = element("output", { class: "gn-value" });
    input.addEventListener("input", () => set(write(+input.value)));
    const show = () => {
      input.value = read();
      output.value = number(read());
      input.setAttribute("aria-valuetext", output.value);
    };
    return { show, node: element("div", { class: "gn-row" }, element("label", {}, symbol(letter), input), output) };
  };
  const density = (key) => {
    const now = model.get(key), M = now.means.length, of = (i) => (M > 1 ? `, component ${i + 1} of ${key}` : ` of ${key}`);
    const change = (part, i) => (v) => ({ [key]: { ...model.get(key), [part]: model.get(key)[part].with(i, v) } });
    const rows = now.means.flatMap((_, i) => [
      slider(M > 1 ? `\u03bc_${i + 1}` : "\u03bc", `mean${of(i)}`, MEANS, () => model.get(key).means[i], change("means", i)),
      slider(M > 1 ? `\u03c3_${i + 1}` : "\u03c3", `width${of(i)}`, SDS, () => model.get(key).sds[i], change("sds", i)),
    ]);
    if (M > 1) rows.push(slider("\u03c0_2", `weight of component 2 of ${key}`, WEIGHTS, () => model.get(key).weights[1], (w) => ({ [key]: { ...model.get(key), weights: [1 - w, w] } })));
    const node = element("fieldset", { class: `gn-density gn-density-${key}` }, element("legend", {}, symbol(key)), ...rows.map((r) => r.node));
    return { node, show: () => rows.forEach((r) => r.show()) };
  };
  const alpha = slider("\u03b1", "alpha", ALPHAS, () => model.get("a"), (a) => ({ a }));
  const holder = element("div", { class: "gn-densities" });
  let built = "", densities = [];
  const build = () => {
    const shape = ["p", "q"].map((key) => model.get(key).means.length).join();
    if (shape === built) return;
    built = shape;
    densities = ["p", "q"].map(density);
    holder.replaceChildren(...densities.map((d) => d.node));
  };

  // The table is one group of radio buttons: the chosen row is the one that is drawn and fitted.
  const measures = TABLE.map((key) => {
    const input = element("input", { type: "radio", name: "row", value: key, onchange: () => set({ row: key }) });
    const words = element("span", { class: "gn-name" }), value = element("span", { class: "gn-value" }), bar = element("span", { class: "gn-fill" });
    const show = () => {
      const d = values[key], endless = diverges(key, state()), decades = (Math.log10(d) + 3) / 6;
      input.checked = model.get("row") === key;
      words.replaceChildren(...maths(rowOf(key, model.get("a")).label));
      value.textContent = amount(d, endless);
      if (endless) value.replaceChildren(element("span", { "aria-hidden": "true" }, "\u221e"), element("span", { class: "gn-hidden" }, "infinite"));
      bar.style.width = d > 0 ? `${clamp(100 * decades, [0, 100])}%` : 0;
      bar.classList.toggle("gn-over", d > 1e3);
    };
    return { show, node: element("label", { class: "gn-measure" }, input, words, value, element("span", { class: "gn-bars", "aria-hidden": "true" }, ...(key === "gan" ? [] : [bar]))) };
  });
  const scale = element("div", { class: "gn-measure gn-scale", "aria-hidden": "true" }, element("span", { class: "gn-name" }),
    element("span", { class: "gn-bars" }, ...["0.01", "1", "100"].map((t) => element("span", {}, t))));

  // Fit: q glides to the minimum, or is there at once for readers who want no motion.
  const finish = (q, said) => {
    set({ q });
    note.textContent = said;
  };
  const improve = () => {
    const { p, q, a } = state(), row = rowOf(model.get("row"), a), { q: target, value } = fit(row, p, q);
    const said = value === Infinity ? `No q has a finite ${plain(row.label)}.` : `Fitted: q = ${describe(target)}, ${plain(row.label)}: ${amount(value)}`;
    still();
    if (value === Infinity || prefersStill()) return finish(value === Infinity ? q : target, said);
    const from = pack(q), to = pack(target), begin = performance.now();
    const tick = (now) => {
      const t = clamp((now - begin) / 700, [0, 1]), s = t * t * (3 - 2 * t);
      if (t === 1) return finish(target, said);
      model.set("q", unpack(from.map((v, i) => (1 - s) * v + s * to[i])));
      moving = requestAnimationFrame(tick);
    };
    moving = requestAnimationFrame(tick);
  };
  let start = { p: model.get("p"), q: model.get("q") };
  const button = (text, action) => element("button", { type: "button", onclick: action }, text);
  const pick = element("select", { "aria-label": "Densities", onchange: () => {
    start = { p: pairs[pick.selectedIndex].p, q: pairs[pick.selectedIndex].q };
    set(start);
  } }, ...pairs.map((pair) => element("option", {}, pair.name)));

  const refresh = () => {
    const now = state();
    values = evaluate(now);
    build();
    [...densities, alpha, ...measures].forEach((control) => control.show());
    const key = model.get("row"), row = rowOf(key, now.a);
    formula.replaceChildren(...maths(row.formula));
    const infinity = diverges(key, now);
    canvas.setAttribute("aria-label", `p: ${describe(now.p)}; q: ${describe(now.q)}; ${plain(row.label)}: ${infinity ? "infinite" : amount(values[key])}, the area under ${plain(row.formula)}`);
    drawing.paint();
    clearTimeout(timer);
    timer = setTimeout(() => (status.textContent = note.textContent ? "" : canvas.getAttribute("aria-label")), 600);
  };

  const title = model.get("title");
  el.append(element("div", { class: "gannotes-widget gannotes-divergence", role: "group", "aria-label": title || "Divergence explorer" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    element("form", { onsubmit: (event) => event.preventDefault() },
      element("ul", { class: "gn-legend" },
        entry(swatch("--gn-p", { fill: 0.14 }), symbol("p")),
        entry(swatch("--gn-q", { dash: "8 4", width: 2.25 }), symbol("q")),
        entry(swatch("--gn-other", { fill: 0.16, width: 1.75 }), formula)),
      drawing.stage,
      element("div", { class: "gn-halves" },
        element("div", {}, ...(pairs.length > 1 ? [pick] : []), holder, alpha.node,
          element("div", { class: "gn-buttons" },
            button("Fit q", improve), button("Reset", () => set({ ...start, ...origin }))),
          note),
        element("fieldset", { class: "gn-measures" }, element("legend", { class: "gn-hidden" }, "Divergence"), ...measures.map((m) => m.node), scale)),
      status)));
  model.on("change", refresh);
  refresh();
  canvas.gannotes = { evaluate, fit: (key, { p, q, a }) => fit(rowOf(key, a), p, q) };
  return () => {
    still();
    clearTimeout(timer);
    drawing.stop();
    model.off("change", refresh);
  };
}

export default { render };

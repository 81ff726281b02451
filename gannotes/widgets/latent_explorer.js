// Random numbers that a test can repeat: mulberry32, and the Box-Muller transform.
function generator(seed) {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

function render({ model, el }) {
  const code = model.get("code"), [channels, h, w] = model.get("shape"), generators = model.get("generators");
  const [low, high] = model.get("limits"), noise = code.noise, d = noise ? noise.first.length : 0;
  const start = { z: model.get("z"), rest: model.get("rest") };
  let random = generator(model.get("seed"));

  // The code: noise first, then one-hot blocks, then continuous codes.
  let at = d;
  const blocks = code.categorical.map((c) => ({ ...c, at: (at += c.classes.length) - c.classes.length }));
  const sliders = code.sliders.map((s) => {
    const direction = s.direction ?? Array.from({ length: d }, (_, i) => +(i === s.index));
    return { ...s, read: (z) => dot(direction, z), write: (z, v) => add(z, direction, v - dot(direction, z)) };
  });
  for (const c of code.continuous) {
    const i = at++;
    sliders.push({ ...c, continuous: true, read: (z) => z[i], write: (z, v) => z.with(i, v) });
  }
  const add = (z, direction, s) => z.map((v, i) => (i < d ? v + s * direction[i] : v));
  const moved = sliders.filter((s) => !s.continuous);

  const draw = () => {
    const z = [...model.get("z")];
    for (let i = 0; i < d; i++) z[i] = noise.normal ? noise.first[i] + noise.second[i] * random.normal()
      : noise.first[i] + (noise.second[i] - noise.first[i]) * random.uniform();
    return d ? z : sliders.reduce((y, s) => s.write(y, s.low + (s.high - s.low) * random.uniform()), z);
  };
  const state = () => ({ z: model.get("z"), rest: model.get("rest") });
  const fresh = () => ({ z: draw(), rest: model.get("rest").map(() => draw().slice(0, d)) });
  const between = (x, y, t) => {
    if (!path?.value.startsWith("great")) return mix(x, y, t);
    const centred = (u) => u.slice(0, d).map((v, i) => v - noise.first[i]);
    return [...arc(centred(x), centred(y), t).map((v, i) => v + noise.first[i]), ...mix(x.slice(d), y.slice(d), t)];
  };

  // Image k has its own noise, moved to the same slider positions, and the same codes.
  const member = (k) => {
    const z = model.get("z");
    if (k === 0) return z;
    return moved.reduce((y, s) => s.write(y, s.read(z)), [...model.get("rest")[k - 1], ...z.slice(d)]);
  };

  // One canvas a generator. The samples of a single one fill a square; those of several stand in rows, one below the other.
  const named = generators.some(([name]) => name), samples = start.rest.length + 1, gap = samples > 1 ? 1 : 0;
  const across = named ? samples : Math.ceil(Math.sqrt(samples)), scale = 255 / (high - low);
  const width = across * (w + gap) - gap, height = Math.ceil(samples / across) * (h + gap) - gap;
  const image = new ImageData(w, h), pixels = image.data;
  const forwards = networks(model, generators.map(([, depth]) => depth));
  const canvases = generators.map(() => element("canvas", { width, height, role: "img", class: model.get("smooth") ? "" : "gn-pixels" }));
  const contexts = canvases.map((canvas) => canvas.getContext("2d"));
  const paint = () => {
    for (let k = 0; k < samples; k++) {
      const z = member(k);
      forwards.forEach((forward, n) => {
        const x = forward(z);
        for (let i = 0; i < h * w; i++) {
          for (let c = 0; c < 3; c++) pixels[4 * i + c] = (x[channels === 1 ? i : c * h * w + i] - low) * scale;
          pixels[4 * i + 3] = 255;
        }
        contexts[n].putImageData(image, (k % across) * (w + gap), ((k / across) | 0) * (h + gap));
      });
    }
  };
  const columns = Math.min(3, Math.ceil(Math.sqrt(generators.length)));
  const stage = !named ? element("div", { class: "gn-stage" }, canvases[0])
    : element("div", { class: `gn-stage ${samples > 1 ? "gn-table" : "gn-grid"}`, style: `--gn-columns: ${columns}` },
      ...generators.map(([name], n) => element("figure", {}, element("figcaption", {}, symbol(name)), canvases[n])));

  // Only z is listened to, and it is set last: one change, one painting.
  const set = ({ z, rest }, save = true) => {
    model.set("rest", rest);
    model.set("z", z);
    if (save) model.save_changes();
  };

  // Controls. Every change goes through the model, so a kernel, a second view and this view agree.
  const rows = sliders.map((s) => {
    const step = nice((s.high - s.low) / 100), digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    const input = element("input", { type: "range", min: s.low, max: s.high, step });
    const output = element("output", { class: "gn-value" });
    input.addEventListener("input", () => {
      forget();
      set({ z: s.write(model.get("z"), +input.value), rest: model.get("rest") });
    });
    const show = () => {
      const v = s.read(model.get("z"));
      input.value = v;
      output.value = number(v, digits);
      input.setAttribute("aria-valuetext", output.value);
      return `${s.name} = ${output.value}`;
    };
    return { show, node: element("div", { class: "gn-row" }, element("label", {}, symbol(s.name), input), output) };
  });
  const choices = blocks.map((c) => {
    const inputs = c.classes.map((_, i) => element("input", {
      type: "radio", name: c.name, value: i,
      onchange: () => {
        forget();
        set({ z: model.get("z").map((v, j) => (j < c.at || j >= c.at + c.classes.length ? v : +(j - c.at === i))), rest: model.get("rest") });
      },
    }));
    const show = () => {
      const block = model.get("z").slice(c.at, c.at + c.classes.length), i = block.indexOf(Math.max(...block));
      inputs[i].checked = true;
      return `${c.name} = ${c.classes[i]}`;
    };
    const labels = inputs.map((input, i) => element("label", {}, input, element("span", {}, c.classes[i])));
    return { show, node: element("fieldset", { class: "gn-choice" }, element("legend", {}, symbol(c.name)), element("div", {}, ...labels)) };
  });

  // Interpolation from the code on show to a fresh one.
  let ends = null, timer = 0, t = 0;
  const walk = element("button", { type: "button", onclick: () => (timer ? pause() : play()) }, "Interpolate");
  const time = element("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, disabled: true });
  const clock = element("output", { class: "gn-value" }, number(0));
  const path = noise?.normal
    ? element("select", { "aria-label": "Path of the interpolation", onchange: () => ends && move(t, true) }, element("option", {}, "straight line"), element("option", {}, "great circle"))
    : null;
  const label = () => {
    time.value = t;
    time.disabled = !ends;
    clock.value = number(t);
    walk.textContent = timer ? "Pause" : ends && t < 1 && !prefersStill() ? "Continue" : "Interpolate";
  };
  const move = (to, save) => {
    t = to;
    label();
    set({ z: between(ends[0].z, ends[1].z, t), rest: ends[0].rest.map((x, k) => between(x, ends[1].rest[k], t)) }, save);
  };
  const play = () => {
    if (!ends || t >= 1 || prefersStill()) {
      ends = [state(), fresh()];
      t = 0;
    }
    if (prefersStill()) return move(0.5, true);
    let last = performance.now();
    const tick = (now) => {
      move(Math.min(1, t + Math.max(0, now - last) / 4000), false);
      last = now;
      if (t < 1) timer = requestAnimationFrame(tick);
      else pause();
    };
    timer = requestAnimationFrame(tick);
    label();
  };
  const stop = () => {
    cancelAnimationFrame(timer);
    timer = 0;
    label();
  };
  const pause = () => {
    stop();
    model.save_changes();
    say();
  };
  const forget = () => {
    stop();
    ends = null;
    t = 0;
    label();
  };
  time.addEventListener("input", () => {
    const to = +time.value; // before stop() writes the time of the walk
    stop();
    move(to, true);
  });
  const jump = (to) => {
    forget();
    set(to());
  };
  const button = (text, action) => element("button", { type: "button", onclick: action }, text);
  const reset = () => {
    random = generator(model.get("seed"));
    return start;
  };

  // The text alternative: at once on each canvas, spoken once the code has come to rest.
  const status = element("p", { role: "status", class: "gn-hidden" });
  let waiting = 0;
  let words = "";
  const say = () => (status.textContent = words);
  const what = samples > 1 ? `${samples} generated images` : "Generated image";
  const refresh = () => {
    words = `${what} for ${[...choices, ...rows].map((control) => control.show()).join(", ") || "a random code"}`;
    canvases.forEach((canvas, n) => canvas.setAttribute("aria-label", generators[n][0] ? `${generators[n][0]}: ${words}` : words));
    paint();
    clearTimeout(waiting);
    if (!timer) waiting = setTimeout(say, 600);
  };

  const title = model.get("title");
  el.append(element("div", { class: "gannotes-widget gannotes-explorer", role: "group", "aria-label": title || "Latent explorer" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    // A form keeps the radio names of two explorers apart.
    element("form", { class: "gn-body", onsubmit: (event) => event.preventDefault() },
      stage,
      element("div", { class: "gn-controls" },
        ...choices.map((c) => c.node),
        element("div", { class: "gn-rows" }, ...rows.map((r) => r.node)),
        element("div", { class: "gn-buttons" }, button(d ? "Random noise" : "Random code", () => jump(fresh)), button("Reset", () => jump(reset))),
        element("div", { class: "gn-buttons gn-walk" }, walk,
          element("div", { class: "gn-row" }, element("label", {}, symbol("t"), time), clock),
          ...(path ? [path] : [])),
        status))));
  refresh();
  model.on("change:z", refresh);
  canvases.forEach((canvas, n) => (canvas.gannotes = { forward: (z) => Array.from(forwards[n](Float32Array.from(z))), paint }));
  return () => {
    stop();
    clearTimeout(waiting);
    model.off("change:z", refresh);
  };
}

export default { render };

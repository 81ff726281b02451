// Shows the anywidgets of a page without a kernel, from the widget state that the notebook saved in it, and the source
// and networks that the book's build has put beside it. A classic script, because a page opened from file:// may not
// load modules; a widget's module is text in the page and becomes importable as a Blob URL.
(() => {
  "use strict";
  const STATE = "application/vnd.jupyter.widget-state+json", VIEW = "application/vnd.jupyter.widget-view+json", SOURCE = "application/vnd.gannotes.source+json";

  const tags = (type) => [...document.querySelectorAll(`script[type="${type}"]`)];

  // Python writes NaN and infinities as JSON does not allow. One of them is its widget's own trouble, not the page's.
  const NOT_FINITE = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, MARK = "\u0000";
  function parse(text) {
    try {
      return JSON.parse(text);
    } catch {
      const marked = text.replace(NOT_FINITE, (part) => (part[0] === '"' ? part : `"\\u0000${part}"`));
      return JSON.parse(marked, (_, v) => (typeof v === "string" && v[0] === MARK ? Number(v.slice(1)) : v));
    }
  }

  // The bytes of several base64 texts, one after the other.
  function bytes(...texts) {
    const parts = texts.map((text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return new DataView(all.buffer);
  }

  // The part of a Jupyter widget model that anywidget modules use. There is no kernel, so saving does nothing.
  function makeModel(record, networks) {
    const state = structuredClone(record.state), listeners = {};
    if (Array.isArray(state.weights)) state.weights = bytes(...state.weights.map((digest) => networks[digest]));
    for (const { path, data } of record.buffers ?? []) {
      const parent = path.slice(0, -1).reduce((node, key) => node[key], state);
      parent[path.at(-1)] = bytes(data);
    }
    const emit = (event, ...values) => [...(listeners[event] ?? [])].forEach((callback) => callback(...values));
    const model = {
      get: (name) => state[name],
      set(name, value) {
        const entries = Object.entries(typeof name === "string" ? { [name]: value } : name).filter(([k, v]) => state[k] !== v);
        for (const [k, v] of entries) state[k] = v;
        for (const [k, v] of entries) emit(`change:${k}`, model, v);
        if (entries.length) emit("change", model);
      },
      save_changes() {},
      send() {},
      on(events, callback) {
        for (const event of events.split(" ")) (listeners[event] ??= []).push(callback);
      },
      off(events, callback) {
        for (const event of (events ?? Object.keys(listeners).join(" ")).split(" "))
          listeners[event] = callback ? (listeners[event] ?? []).filter((f) => f !== callback) : [];
      },
    };
    return model;
  }

  const modules = new Map(), models = new Map(), styles = new Set();

  // One module per source text, one model per id: two views of a widget share their state.
  function load(source) {
    if (!modules.has(source)) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      modules.set(source, import(url).then((module) => module.default));
    }
    return modules.get(source);
  }
  const called = (widget) => (typeof widget === "function" ? widget() : widget);

  function initialise(id, record, widget, networks) {
    if (!models.has(id)) {
      const model = makeModel(record, networks);
      models.set(id, Promise.resolve(widget.initialize?.({ model })).then(() => model));
    }
    return models.get(id);
  }

  function addStyle(text) {
    if (!text || styles.has(text)) return;
    styles.add(text);
    document.head.append(Object.assign(document.createElement("style"), { textContent: text }));
  }

  async function show(view, states, source) {
    const el = document.createElement("div");
    view.before(el);
    try {
      const id = JSON.parse(view.textContent).model_id, record = states[id];
      if (!record) throw new Error("the page does not hold its state");
      if (record.model_module !== "anywidget") throw new Error(`${record.model_module} needs a running kernel`);
      const widget = await called(record.entry ? (await load(source.module))[record.entry] : await load(record.state._esm));
      const model = await initialise(id, record, widget, source.networks);
      addStyle(record.entry ? source.css : record.state._css);
      await widget.render({ model, el });
    } catch (error) {
      console.error("[static-anywidget]", error);
      el.replaceChildren(Object.assign(document.createElement("p"), {
        className: "gannotes-error", role: "alert", textContent: `This widget could not start: ${error.message}`,
      }));
    }
  }

  async function start() {
    const states = Object.assign({}, ...tags(STATE).map((tag) => parse(tag.textContent).state));
    const source = Object.assign({}, ...tags(SOURCE).map((tag) => parse(tag.textContent)));
    await Promise.all(tags(VIEW).map((view) => show(view, states, source)));
    document.documentElement.dataset.widgets = "ready"; // for tests
  }

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();

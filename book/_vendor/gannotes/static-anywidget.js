// Shows the anywidgets of a page without a kernel, from the widget state that the notebook saved in it.
// A classic script, because a page opened from file:// may not load modules; a widget's own module is text in
// the state and becomes importable as a Blob URL.
(() => {
  "use strict";
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

  // The part of a Jupyter widget model that anywidget modules use. There is no kernel, so saving does nothing.
  function makeModel(record) {
    const state = structuredClone(record.state), listeners = {};
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
      modules.set(source, import(url).then(({ default: widget }) => (typeof widget === "function" ? widget() : widget)));
    }
    return modules.get(source);
  }

  function initialise(id, record, widget) {
    if (!models.has(id)) {
      const model = makeModel(record);
      models.set(id, Promise.resolve(widget.initialize?.({ model })).then(() => model));
    }
    return models.get(id);
  }

  function addStyle(text) {
    if (!text || styles.has(text)) return;
    styles.add(text);
    document.head.append(Object.assign(document.createElement("style"), { textContent: text }));
  }

  async function show(view, states) {
    const el = document.createElement("div");
    view.before(el);
    try {
      const id = JSON.parse(view.textContent).model_id, record = states[id];
      if (!record) throw new Error("the page does not hold its state");
      if (record.model_module !== "anywidget") throw new Error(`${record.model_module} needs a running kernel`);
      const widget = await load(record.state._esm), model = await initialise(id, record, widget);
      addStyle(record.state._css);
      await widget.render({ model, el });
    } catch (error) {
      console.error("[static-anywidget]", error);
      el.replaceChildren(Object.assign(document.createElement("p"), {
        className: "gannotes-error", role: "alert", textContent: `This widget could not start: ${error.message}`,
      }));
    }
  }

  async function start() {
    const states = {};
    for (const tag of document.querySelectorAll(STATE)) Object.assign(states, JSON.parse(tag.textContent).state);
    await Promise.all([...document.querySelectorAll(VIEW)].map((view) => show(view, states)));
    document.documentElement.dataset.widgets = "ready"; // for tests
  }

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();

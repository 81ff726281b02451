// The frame of a widget: its title, and a form that keeps its radio buttons apart from another widget's.
import { element } from "./elements.js";

// `kind` is the class of its styles, `name` what it is called without a title.
export function card(model, el, kind, name, ...children) {
  const title = model.get("title");
  const form = element("form", { onsubmit: (event) => event.preventDefault() }, ...children);
  const root = element("div", { class: `gannotes-widget gannotes-${kind}`, role: "group", "aria-label": title || name },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []), form);
  el.append(root);
  return root;
}

// Runs `refresh` now and on each of the model's `events`; what it returns ends that, and all of `stops` too.
export function follow(model, events, refresh, ...stops) {
  refresh();
  model.on(events, refresh);
  return () => {
    model.off(events, refresh);
    stops.forEach((stop) => stop());
  };
}

// Controls with their labels. Each has a `node` for the page and a `show` that sets it to the model's value; a change
// by the reader goes through the model, so that a kernel, a second view and this view agree.
import { element } from "./elements.js";
import { number } from "./numbers.js";

// Set several traits and tell the kernel.
export const setter = (model) => (change) => {
  model.set(change);
  model.save_changes();
};

// A range with its value: `label` is a node; `say(v)` is the value in words, `show(v, text)` shows another text.
export function slider({ label, min, max, step, digits = 2, name, say = (v, text) => text, input: change }) {
  const input = element("input", { type: "range", min, max, step, "aria-label": name, oninput: () => change(+input.value) });
  const output = element("output", { class: "gn-value" });
  const show = (v, text = number(v, digits)) => {
    input.value = v;
    output.value = text;
    input.setAttribute("aria-valuetext", say(v, text));
    return text;
  };
  return { input, output, show, node: element("div", { class: "gn-row" }, element("label", {}, label, input), output) };
}

// One of several: `options` are nodes, `names` what a screen reader says where a node is a picture.
export function radios({ legend, group, options, names = [], hidden = false, kind = "", pick }) {
  const inputs = options.map((_, i) => element("input", { type: "radio", name: group, value: i, "aria-label": names[i], onchange: () => pick(i) }));
  const node = element("fieldset", { class: `gn-choice ${kind}` }, element("legend", { class: hidden ? "gn-hidden" : null }, legend),
    element("div", {}, ...options.map((option, i) => element("label", {}, inputs[i], option))));
  const show = (i) => inputs.forEach((input, k) => (input.checked = k === i));
  return { inputs, node, show };
}

export const button = (text, action) => element("button", { type: "button", onclick: action }, text);

// A menu: `options` are [value, words].
export function select({ label, name, options, pick }) {
  const input = element("select", { "aria-label": name, onchange: () => pick(input.value, input.selectedIndex) },
    ...options.map(([value, words]) => element("option", { value }, words)));
  const node = label ? element("label", { class: "gn-pick" }, element("span", {}, label), input) : input;
  return { input, node, show: (value) => (input.value = value) };
}

export function check(words, change) {
  const input = element("input", { type: "checkbox", onchange: () => change(input.checked) });
  return { input, node: element("label", { class: "gn-check" }, input, words), show: (on) => (input.checked = on) };
}

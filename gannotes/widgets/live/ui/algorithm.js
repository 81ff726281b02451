// The algorithm's lines, one for each player; that of the last or next turn is lit.
import { element } from "../../elements.js";

const critic = "\u03c6 \u2190 \u03c6 + \u03b7 \u2202V/\u2202\u03c6";
const generator = ({ flip }) => (flip ? "\u03b8 \u2190 \u03b8 + \u03b7 \u2202V\u2032/\u2202\u03b8, classes swapped" : "\u03b8 \u2190 \u03b8 \u2212 \u03b7 \u2202V/\u2202\u03b8");
const LINES = {
  gan: { phi: () => critic, theta: generator },
  infogan: { phi: () => "\u03c6 \u2190 \u03c6 + \u03b7 \u2202(V + \u03bb I)/\u2202\u03c6", theta: () => "\u03b8 \u2190 \u03b8 + \u03b7 \u2202(V\u2032 + \u03bb I)/\u2202\u03b8, classes swapped" },
  cyclegan: { theta: () => "\u03b8 \u2190 \u03b8 + \u03b7 \u2202(V\u2032 \u2212 \u03bb C)/\u2202\u03b8, classes swapped", phi: () => critic },
  vae: { theta: () => "\u03b8, \u03c6 \u2190 \u03b8, \u03c6 + \u03b7 \u2202L/\u2202(\u03b8, \u03c6)" },
  ali: { phi: () => critic, theta: generator },
  avb: { theta: () => "\u03b8, \u03c6 \u2190 \u03b8, \u03c6 + \u03b7 \u2202L/\u2202(\u03b8, \u03c6)", phi: () => "\u03c9 \u2190 \u03c9 + \u03b7 \u2202V/\u2202\u03c9" },
};

const swap = (line) => line.split(/([\u03b8\u03c6\u03c9\u03b7\u03bbVLIC])/).map((part, i) => (i % 2 ? element("i", {}, part) : part));

export function algorithm(model, state) {
  const lines = Object.fromEntries(Object.keys(LINES[model]).map((player) => [player, element("li", { class: "gn-maths" })]));
  const node = element("ol", { class: "gn-algorithm", "aria-label": "The algorithm's lines" }, ...Object.values(lines));
  const write = () => Object.entries(lines).forEach(([player, line]) => line.replaceChildren(...swap(LINES[model][player](state))));
  // `who` has just moved, or moves next; null where they take turns too fast to see.
  const light = (who) => Object.entries(lines).forEach(([player, line]) => {
    const lit = who === player || who === "both";
    line.classList.toggle("gn-lit", lit);
    if (lit) line.setAttribute("aria-current", "step");
    else line.removeAttribute("aria-current");
  });
  write();
  return { node, write, light };
}

// What a screen reader says, politely, once the reader's hand has come to rest.
import { element } from "./elements.js";

const REST = 600; // milliseconds

export function announcer() {
  const node = element("p", { role: "status", class: "gn-hidden" });
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const now = (words) => {
    stop();
    node.textContent = words;
  };
  const say = (words) => {
    stop();
    timer = setTimeout(() => now(words), REST);
  };
  return { node, say, now, stop };
}

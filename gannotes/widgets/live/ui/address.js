// A widget's part of the page's address: read at first and when it changes, written when the reader changes something.
import { decode, encode, ownPart, withPart } from "./state.js";

// `get()` is the state; `adopt(state)` takes another; `show()` brings the widget into view.
export function address({ name, first, presets, get, adopt, show }) {
  const read = () => decode(ownPart(location.hash, name) ?? "", first, presets);
  const link = () => withPart(location.hash, name, encode(get(), first));
  // A section's own address stays until the reader changes something.
  const write = () => {
    if (ownPart(location.hash, name) !== null || encode(get(), first)) history.replaceState(history.state, "", link());
  };
  const follow = () => {
    if (ownPart(location.hash, name) === null) return;
    show();
    adopt(read());
  };
  // A link that is clicked twice changes no address.
  const click = (event) => {
    const to = event.target.closest?.("a[href]")?.getAttribute("href");
    if (to && to === location.hash && ownPart(to, name) !== null) follow();
  };
  async function copy() {
    history.replaceState(history.state, "", link());
    try {
      await navigator.clipboard.writeText(location.href);
      return "The address was copied.";
    } catch {
      return "The address bar holds this state.";
    }
  }
  addEventListener("hashchange", follow);
  document.addEventListener("click", click);
  const stop = () => {
    removeEventListener("hashchange", follow);
    document.removeEventListener("click", click);
  };
  return { read, write, copy, stop };
}

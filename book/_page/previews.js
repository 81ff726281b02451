// Shows what a citation, an equation number or a term stands for, beside the link, under the pointer or the focus.

const LINKS = 'a[href*="glossary.html#term-"], a[href*="bibliography.html#"], a.reference[href*="#equation-"]';
const script = document.currentScript; // the data lie beside it
let loading = null;
let shown = null; // { link, box }
let waiting = 0;

function previews() {
  loading ??= new Promise((resolve) => {
    const data = document.createElement("script");
    data.src = new URL("previews-data.js", script.src).href;
    data.onload = () => resolve(globalThis.gannotesPreviews);
    data.onerror = () => resolve({});
    document.head.append(data);
  });
  return loading;
}

function key(link) {
  const url = new URL(link.href);
  return url.pathname.split("/").pop() + url.hash;
}

function hide() {
  clearTimeout(waiting);
  shown?.box.remove();
  shown?.link.removeAttribute("aria-describedby");
  shown = null;
}

// Under the link, within the window; above it where there is no room below.
function place(box, link) {
  const at = link.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  box.style.left = `${scrollX + Math.max(8, Math.min(at.left, width - box.offsetWidth - 8))}px`;
  const below = at.bottom + box.offsetHeight + 8 < innerHeight;
  box.style.top = `${scrollY + (below ? at.bottom + 2 : at.top - box.offsetHeight - 2)}px`;
}

async function show(link) {
  const html = (await previews())[key(link)];
  if (!html || !(link.matches(":hover") || link.matches(":focus-visible"))) return;
  hide();
  const box = document.createElement("div");
  Object.assign(box, { className: "preview", id: "preview", innerHTML: html });
  box.setAttribute("role", "tooltip");
  box.addEventListener("mouseleave", hide);
  document.body.append(box);
  link.setAttribute("aria-describedby", "preview");
  link.removeAttribute("title"); // else the browser shows a second one
  shown = { link, box };
  place(box, link);
  await window.MathJax?.typesetPromise?.([box]);
  if (shown?.box === box) place(box, link);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll(".bd-article")[0]?.querySelectorAll(LINKS) ?? []) {
    link.addEventListener("mouseenter", () => {
      clearTimeout(waiting);
      waiting = setTimeout(show, 200, link);
    });
    link.addEventListener("mouseleave", (event) => {
      clearTimeout(waiting);
      // the pointer may go into the box
      if (!shown?.box.contains(event.relatedTarget)) hide();
    });
    link.addEventListener("focus", () => link.matches(":focus-visible") && show(link));
    link.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
});

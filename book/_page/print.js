// On paper a page has its light colours, its folded texts open, and beside what moves the address where it does.

const restore = [];

function prepare() {
  if (restore.length) return;
  const root = document.documentElement;
  const { theme } = root.dataset;
  root.dataset.theme = "light";
  restore.push(() => (root.dataset.theme = theme));
  for (const fold of document.querySelectorAll(".bd-article details:not(.hide):not([open])")) {
    fold.open = true;
    restore.push(() => (fold.open = false));
  }
  const page = document.querySelector("link[rel=canonical]")?.href;
  for (const widget of document.querySelectorAll(".bd-article .gannotes-widget")) {
    const line = document.createElement("p");
    line.className = "on-paper";
    line.append("This can be moved in the book: ");
    const where = line.appendChild(document.createElement(page ? "a" : "span"));
    where.textContent = page ?? location.pathname.split("/").at(-1);
    if (page) where.href = page;
    widget.after(line);
    restore.push(() => line.remove());
  }
}

addEventListener("beforeprint", prepare);
addEventListener("afterprint", () => {
  while (restore.length) restore.pop()();
});

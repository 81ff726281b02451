// "Code: essential / all": opens and closes the folded cells of every page, and remembers it.

const KEY = "gannotes-code";
const folds = () => document.querySelectorAll(".bd-article .cell details.hide");

function remembered() {
  try {
    return localStorage.getItem(KEY) === "all";
  } catch {
    return false; // a browser that keeps nothing for file://
  }
}

function apply(all) {
  for (const fold of folds()) fold.open = all;
  try {
    localStorage.setItem(KEY, all ? "all" : "essential");
  } catch {
    // not remembered, but done
  }
}

function codeSwitch() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm code-switch";
  const say = (all) => {
    button.setAttribute("aria-pressed", String(all));
    button.textContent = `Code: ${all ? "all" : "essential"}`;
  };
  button.title = "Show only the essential code of a page, or all of it";
  say(remembered());
  button.addEventListener("click", () => {
    const all = button.getAttribute("aria-pressed") !== "true";
    say(all);
    apply(all);
  });
  return button;
}

// What a link or a search leads to must not stay inside a closed fold.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target?.scrollIntoView();
}

document.addEventListener("DOMContentLoaded", () => {
  if (folds().length) {
    document.querySelector(".article-header-buttons")?.prepend(codeSwitch());
    if (remembered()) apply(true);
  }
  if (location.hash) unfold();
  addEventListener("hashchange", unfold);
});

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

// The theme's arrow beside an entry with pages below it has no name.
function nameArrows() {
  for (const arrow of document.querySelectorAll("nav .has-children > details > summary"))
    arrow.setAttribute("aria-label", `Pages of ${arrow.closest("li").querySelector("a").textContent.trim()}`);
}

// An equation that is wider than its column scrolls, and must be within reach of the keyboard.
function reachEquations() {
  for (const equation of document.querySelectorAll('.bd-article mjx-container[display="true"]')) {
    if (equation.scrollWidth > equation.clientWidth) equation.tabIndex = 0;
    else equation.removeAttribute("tabindex");
  }
}

addEventListener("load", () => window.MathJax?.startup?.promise?.then(() => {
  reachEquations();
  addEventListener("resize", reachEquations);
}));

document.addEventListener("DOMContentLoaded", () => {
  nameArrows();
  if (folds().length) {
    document.querySelector(".article-header-buttons")?.prepend(codeSwitch());
    if (remembered()) apply(true);
  }
  if (location.hash) unfold();
  addEventListener("hashchange", unfold);
});

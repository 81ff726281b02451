// The field above the index of the package: shows the names that have all words in them.

function matches(text, query) {
  const words = query.toLowerCase().split(/[\s.]+/).filter(Boolean);
  return words.every((word) => text.toLowerCase().includes(word));
}

function filterPackage(query) {
  let count = 0;
  for (const module of document.querySelectorAll(".api-module")) {
    const named = module.querySelector("p").textContent;
    let some = false;
    for (const line of module.querySelectorAll("li")) {
      line.hidden = !matches(`${named.split(" ")[0]} ${line.textContent}`, query);
      if (!line.hidden) count += 1;
      some ||= !line.hidden;
    }
    module.hidden = !some && !matches(named, query);
    const fold = module.querySelector("details");
    if (fold) fold.open = query !== "" && some;
  }
  return count;
}

function packageFilter(form) {
  const [field, told] = [form.querySelector("input"), form.querySelector("output")];
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", () => {
    const query = field.value.trim();
    const count = filterPackage(query);
    told.textContent = query ? `${count || "no"} name${count === 1 ? "" : "s"}` : "";
  });
}

if (typeof document !== "undefined")
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".api-filter").forEach(packageFilter));

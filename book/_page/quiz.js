// Checks the answers of the exercises `ask` and `compute`, and opens the reason.

// "0.75", "3/4", "-1,386", "2e-3"; anything else is NaN.
function number(text) {
  const parts = text.trim().replace("−", "-").replace(",", ".").split("/");
  if (parts.length > 2 || parts.some((part) => part.trim() === "")) return NaN;
  return parts.map(Number).reduce((a, b) => a / b);
}

function say(form, right, words) {
  form.dataset.state = right ? "right" : "wrong";
  form.querySelector("output").textContent = words;
  if (right) form.parentElement.querySelector(".quiz-reason").open = true;
}

function ask(form) {
  const buttons = [...form.querySelectorAll("[data-choice]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      const right = button.dataset.choice === form.dataset.answer;
      say(form, right, right ? "Right." : "No. Think again, or open the reason.");
    });
  }
}

function compute(form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = number(form.querySelector("input").value);
    if (Number.isNaN(value)) return say(form, false, "A number, please: 0.75 or 3/4.");
    const miss = Math.abs(value - form.dataset.answer);
    if (miss <= form.dataset.tolerance) return say(form, true, "Right.");
    const sign = Math.abs(value + Number(form.dataset.answer)) <= form.dataset.tolerance;
    say(form, false, sign ? "Right but for the sign." : "No. Think again, or open the reason.");
  });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".quiz-ask form").forEach(ask);
  document.querySelectorAll(".quiz-compute form").forEach(compute);
});

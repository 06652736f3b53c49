// Draws every chart in the colors of the reader's theme, and again when the theme changes.
(function () {
  "use strict";
  const page = JSON.parse(document.getElementById("chart-data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();

  async function draw(figure) {
    const theme = dark.matches ? "dark" : "light";
    const live = figure.querySelector(".live");
    const choice = figure.querySelector(".choice");
    const before = drawn.get(figure.id);
    const shown = before ? before.view.getState({ signals: (name) => name === "shown", data: () => false }) : null;
    if (before) before.finalize();
    choice.replaceChildren();
    try {
      const result = await vegaEmbed(live, page.charts[figure.id], {
        mode: "vega-lite", renderer: "svg", actions: false, ast: true, bind: choice,
        config: Object.assign({}, page.config[theme], { background: "transparent", padding: 2 }),
        tooltip: { theme: theme },
      });
      drawn.set(figure.id, result);
      if (shown && "shown" in shown.signals) await result.view.signal("shown", shown.signals.shown).runAsync();
      figure.classList.remove("failed");
      figure.classList.add("drawn");
    } catch (error) {
      figure.classList.add("failed"); // the picture takes its place
      console.error(error);
    }
  }

  async function drawAll() {
    for (const figure of document.querySelectorAll("figure[id]")) await draw(figure);
    document.documentElement.dataset.charts = "drawn";
  }

  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; opened.push(part); }
  });
  window.addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });
  dark.addEventListener("change", () => { delete document.documentElement.dataset.charts; drawAll(); });
  drawAll();
})();

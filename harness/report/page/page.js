"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const views = new Map();
  let isolated = "";

  // Charts are drawn when they come into view, and the rest while the browser is idle.
  async function draw(place) {
    if (place.dataset.drawn || !place.clientWidth) return;
    place.dataset.drawn = "yes";
    const result = await vegaEmbed(place, data.charts[place.dataset.chart], {
      config: data.config,
      renderer: "svg",
      actions: {export: true, source: false, compiled: false, editor: false},
      downloadFileName: place.dataset.chart,
      tooltip: {theme: "custom", maxDepth: 1},
    });
    views.set(place, result.view);
    // Marks say nothing one by one: the figure has a name, a description and its numbers.
    place.querySelector("svg.marks").setAttribute("aria-hidden", "true");
    const menu = place.querySelector("summary");
    menu.setAttribute("aria-label", "Save this chart");
    menu.title = "Save this chart";
    result.view.addEventListener("click", (_, item) => {
      const method = item && item.datum && item.datum.method;
      if (method) isolate(method === isolated ? "" : method);
    });
    if (isolated) result.view.signal("isolated", isolated).runAsync();
  }

  const places = [...document.querySelectorAll(".plot")];
  const seen = new IntersectionObserver(
    (entries) => entries.filter((one) => one.isIntersecting).forEach((one) => draw(one.target)),
    {rootMargin: "300px"},
  );
  places.forEach((place) => seen.observe(place));
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 60));
  function drawRest() {
    const next = places.find((place) => !place.dataset.drawn && place.clientWidth);
    if (next) draw(next).then(() => idle(drawRest));
  }
  window.addEventListener("load", () => setTimeout(() => idle(drawRest), 500));
  window.addEventListener("beforeprint", () => places.forEach(draw));

  // One method alone, in all charts.
  const buttons = [...document.querySelectorAll(".methods button")];
  function isolate(method) {
    isolated = method;
    buttons.forEach((one) => one.setAttribute("aria-pressed", one.dataset.method === method));
    document.getElementById("isolated").textContent = method ? `only ${method}` : "all methods";
    views.forEach((view) => view.signal("isolated", method).runAsync());
  }
  buttons.forEach((one) =>
    one.addEventListener("click", () =>
      isolate(one.dataset.method === isolated ? "" : one.dataset.method)),
  );
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isolated) isolate("");
  });

  // The overview: sorting keeps equal rows in order, and rows without a number come last.
  const table = document.getElementById("rows");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  function sortBy(column) {
    const head = heads[column];
    const down = head.getAttribute("aria-sort") === "ascending" ||
      (head.classList.contains("n") && head.getAttribute("aria-sort") === "none");
    heads.forEach((one) => one.hasAttribute("aria-sort") && one.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numbers = head.classList.contains("n");
    const value = (row) => {
      const cell = row.cells[column];
      if (!numbers) return cell.textContent;
      return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
    };
    const sign = down ? -1 : 1;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (numbers ? x - y : x.localeCompare(y, "en", {numeric: true}));
    };
    body.append(...[...rows].sort(compare));
  }
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(column));
  });

  const form = document.querySelector(".filters");
  const find = document.getElementById("find");
  const p99 = document.getElementById("p99");
  const selects = [...form.querySelectorAll("select")];
  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const most = p99 && p99.value !== "" ? Number(p99.value) : null;
    let shown = 0;
    for (const row of rows) {
      const name = row.dataset.name.toLowerCase();
      const keeps = words.every((one) => name.includes(one)) &&
        selects.every((one) => !one.value || row.dataset[one.dataset.filter] === one.value) &&
        (most === null || Number(row.dataset.p99 ?? NaN) <= most);
      row.hidden = !keeps;
      shown += keeps;
    }
    document.getElementById("count").textContent = `${shown} of ${rows.length} rows`;
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();

  document.getElementById("theme").addEventListener("change", (event) => {
    if (event.target.value) document.documentElement.dataset.theme = event.target.value;
    else delete document.documentElement.dataset.theme;
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const area = document.createElement("textarea");
    area.value = button.dataset.copy;
    button.after(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    button.textContent = done ? "Copied" : "Select and copy";
  });
})();

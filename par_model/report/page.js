"use strict";
// Texts from data reach the page by textContent alone; pictures by data: addresses made here.
(() => {
  const PAGE = 24;
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const { groups, rows } = data;
  const words = (name) => name.replaceAll("_", " ");

  const make = (tag, options = {}, ...children) => {
    const { data: set, ...properties } = options;
    const element = Object.assign(document.createElement(tag), properties);
    Object.assign(element.dataset, set);
    element.append(...children);
    return element;
  };

  // ---- what a row says, and whether it is right
  let first = 0;
  for (const group of groups) {
    group.offset = first;
    first += group.kind === "binary" ? 1 : group.answers.length;
  }
  rows.forEach((row, place) => {
    row.place = place;
    row.sure = groups.map((group, g) => confidence(row, group, g));
    const known = row.sure.filter((value) => value !== null);
    row.least = known.length ? Math.min(...known) : null;
    row.wrong = groups.map((_, g) => Boolean(row.v && row.v[g] !== null && row.y && row.y[g] && !row.y[g].includes(row.v[g])));
    row.mistakes = row.wrong.filter(Boolean).length;
    row.judged = Boolean(row.v && row.y && row.y.some((right, g) => right && row.v[g] !== null));
  });

  function confidence(row, group, g) {
    if (!row.v || row.v[g] === null) return null;
    if (group.kind === "binary") {
      const score = row.s[group.offset] / 1000;
      return row.v[g] ? score : 1 - score;
    }
    return row.s[group.offset + row.v[g]] / 1000;
  }

  // ---- pictures: a block is parsed when the first of its tracklets is shown
  const blocks = new Map();
  function picture(row) {
    const index = Math.floor(row.place / data.block);
    if (!blocks.has(index)) {
      if (blocks.size > 8) blocks.delete(blocks.keys().next().value);
      blocks.set(index, JSON.parse($(`block-${index}`).textContent));
    }
    return blocks.get(index)[row.place % data.block];
  }

  function strip(row) {
    const box = make("div", { className: "strip" });
    const webp = row.error ? "" : picture(row);
    if (!webp) {
      const why = row.error ? `${row.error}: ${row.message}` : row.miss ? `No picture: ${row.miss}` : "No picture";
      box.append(make("p", { textContent: why }));
      return box;
    }
    const image = make("img", { decoding: "async", loading: "lazy", alt: `Frames ${row.f.join(", ")}` });
    image.src = `data:image/webp;base64,${webp}`;
    box.append(image);
    return box;
  }

  // ---- filters
  const selects = groups.map((group, g) => {
    const select = make("select", { id: `filter-${g}` }, make("option", { value: "", textContent: "any" }));
    group.answers.forEach((answer, i) => select.append(make("option", { value: i, textContent: words(answer) })));
    $("attribute-filters").append(make("label", { textContent: words(group.name) }, select));
    $("about").append(make("option", { value: g, textContent: words(group.name) }));
    return select;
  });
  const cameras = [...new Set(rows.map((row) => row.camera ?? ""))].sort();
  cameras.forEach((camera, i) =>
    $("camera").append(make("option", { value: i + 1, textContent: camera === "" ? "none" : camera })),
  );

  let shown = rows;
  let page = 0;
  let like = null;
  let at = 0; // the place in `shown` of the tracklet in the dialog

  function number(id, otherwise) {
    const value = Number.parseFloat($(id).value);
    return Number.isNaN(value) ? otherwise : value;
  }

  function filter() {
    const show = document.querySelector("input[name=show]:checked").value;
    const camera = $("camera").value === "" ? null : cameras[$("camera").value - 1];
    const text = $("search").value.toLowerCase();
    const wanted = selects.map((select) => (select.value === "" ? null : Number(select.value)));
    const about = $("about").value === "" ? null : Number($("about").value);
    const [low, high] = [number("from", 0), number("to", 1)];
    const bounded = low > 0 || high < 1;
    shown = rows.filter((row) => {
      if (show === "ok" && row.error) return false;
      if (show === "failed" && !row.error) return false;
      if (show === "wrong" && !row.mistakes) return false;
      if (show === "right" && (!row.judged || row.mistakes)) return false;
      if (camera !== null && (row.camera ?? "") !== camera) return false;
      if (text && !row.id.toLowerCase().includes(text)) return false;
      if (wanted.some((value, g) => value !== null && (!row.v || row.v[g] !== value))) return false;
      if (!bounded) return true;
      const sure = about === null ? row.least : row.sure[about];
      return sure !== null && sure !== undefined && sure >= low && sure <= high;
    });
    sort(about);
    for (const control of document.querySelectorAll("#filters select, #filters input:not([type=radio])")) {
      control.classList.toggle("on", control.id !== "sort" && control.id !== "about" && control.value !== "");
    }
    page = 0;
    draw();
  }

  function sort(about) {
    const by = $("sort").value;
    const sure = (row) => (about === null ? row.least : row.sure[about]) ?? Infinity;
    if (like) shown.sort((a, b) => similarity(b) - similarity(a));
    else if (by === "unsure") shown.sort((a, b) => sure(a) - sure(b));
    else if (by === "sure") shown.sort((a, b) => (sure(b) === Infinity ? -1 : sure(b)) - (sure(a) === Infinity ? -1 : sure(a)));
    else if (by === "mistakes") shown.sort((a, b) => b.mistakes - a.mistakes);
  }

  // ---- similarity: the cosine of two embeddings
  function vector(row) {
    if (row.vector === undefined) {
      const bytes = row.e ? Int8Array.from(atob(row.e), (c) => (c.charCodeAt(0) << 24) >> 24) : null;
      const length = bytes ? Math.hypot(...bytes) || 1 : 1;
      row.vector = bytes ? Float32Array.from(bytes, (value) => value / length) : null;
    }
    return row.vector;
  }

  function similarity(row) {
    const [a, b] = [vector(like), vector(row)];
    if (!b) return -2;
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  // ---- the gallery: one page of cards is in the document, whatever the number of tracklets
  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const start = page * PAGE;
    const cards = shown.slice(start, start + PAGE).map((row, i) => card(row, start + i));
    if (!cards.length) cards.push(make("li", { className: "empty", textContent: "No tracklet is like that. Clear a filter." }));
    $("gallery").replaceChildren(...cards);
    $("count").textContent = `${shown.length} of ${rows.length} tracklets`;
    $("page").textContent = `Page ${page + 1} of ${pages}`;
    $("previous").disabled = page === 0;
    $("next").disabled = page >= pages - 1;
    $("like").hidden = !like;
    if (like) $("like").textContent = `most similar to ${like.id} first`;
  }

  function card(row, place) {
    const name = make("button", { type: "button", className: "open", textContent: row.id, title: row.id.slice(0, 300) });
    name.addEventListener("click", () => open(place));
    const where = [row.camera && `camera ${row.camera}`, row.time, `${row.n} frames`].filter(Boolean).join(" · ");
    const text = make("div", { className: "text" }, name, make("div", { className: "where", textContent: where }));
    if (!row.error) text.append(chips(row));
    return make("li", { className: row.error ? "failed" : "", data: { id: row.id.slice(0, 300) } }, strip(row), text);
  }

  function chips(row) {
    const box = make("div", { className: "chips" });
    groups.forEach((group, g) => {
      const value = row.v[g];
      if (value === null || (group.kind === "binary" && !value && !row.wrong[g])) return;
      const said = group.kind === "binary" ? (value ? words(group.name) : `no ${words(group.name)}`) : `${short(group)} ${words(group.answers[value])}`;
      const chip = make("span", { className: "chip", textContent: said });
      if (row.wrong[g]) {
        chip.classList.add("wrong");
        chip.prepend("✕ ");
        chip.append(make("i", { textContent: `is ${right(row, g)}` }));
      } else chip.append(make("i", { textContent: Math.round(100 * row.sure[g]) + "%" }));
      box.append(chip);
    });
    return box;
  }

  const short = (group) => words(group.name).replace(/ colou?r$/, "");
  const right = (row, g) => row.y[g].map((i) => words(groups[g].answers[i])).join(" or ");

  // ---- one tracklet
  function open(place) {
    at = place;
    const row = shown[at];
    $("detail-id").textContent = row.id;
    const where = [row.camera && `camera ${row.camera}`, row.time, `${row.n} frames`, row.f && `shown: ${row.f.join(", ")}`];
    const body = [strip(row), make("p", { className: "fine", textContent: where.filter(Boolean).join(" · ") })];
    if (row.v) body.push(make("div", { className: "scroll" }, scores(row)));
    $("detail-body").replaceChildren(...body);
    $("detail").classList.toggle("failed", Boolean(row.error));
    $("back").disabled = at === 0;
    $("forth").disabled = at === shown.length - 1;
    $("similar").hidden = !row.e;
    if (!$("detail").open) $("detail").showModal();
  }

  function scores(row) {
    const head = make("tr", {}, ...["Attribute", "Answer", "Scores"].map((t) => make("th", { scope: "col", textContent: t })));
    const body = make("tbody");
    groups.forEach((group, g) => {
      const value = row.v[g];
      const answer = make("td", { textContent: value === null ? "not trained" : words(group.answers[value]) });
      if (row.y && row.y[g] && value !== null) {
        const verdict = row.wrong[g] ? `✕ labelled ${right(row, g)}` : "✓ as labelled";
        answer.append(make("div", { className: `fine verdict-${row.wrong[g] ? "wrong" : "right"}`, textContent: verdict }));
      }
      const names = group.kind === "binary" ? ["yes"] : group.answers;
      const bars = make("div", { className: "bars" });
      names.forEach((name, i) => {
        const score = row.s[group.offset + i] / 1000;
        const said = group.kind === "binary" ? value === 1 : value === i;
        const label = make("span", { textContent: words(name) });
        const meter = make("meter", { min: 0, max: 1, value: score, ariaLabel: `score of ${words(name)}` });
        bars.append(make("div", { className: said ? "said" : "" }, label, meter, make("span", { textContent: score.toFixed(2) })));
      });
      body.append(make("tr", {}, make("th", { scope: "row", textContent: words(group.name) }), answer, make("td", {}, bars)));
    });
    return make("table", {}, make("thead", {}, head), body);
  }

  function step(by) {
    if (shown[at + by]) open(at + by);
  }

  // ---- charts, in the colours of the page
  const probe = make("span", { hidden: true });
  document.body.append(probe);
  function colour(name, alpha = 1) {
    probe.style.color = `var(--${name})`;
    const found = getComputedStyle(probe).color;
    return alpha === 1 ? found : found.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
  }

  const seen = new Set();
  function chart(canvas) {
    Chart.getChart(canvas)?.destroy();
    const about = data.charts[canvas.dataset.chart];
    new Chart(canvas, canvas.dataset.kind === "distribution" ? distribution(about) : reliability(about));
  }

  const shares = (axis) => ({
    min: 0,
    grid: { color: colour("line") },
    border: { display: false },
    ticks: { color: colour("soft"), maxTicksLimit: 5, callback: (value) => `${Math.round(100 * value)}%` },
    ...axis,
  });
  const common = (legend) => ({
    animation: false,
    maintainAspectRatio: false,
    plugins: {
      legend: { display: legend, position: "bottom", labels: { color: colour("soft"), boxWidth: 10, boxHeight: 10 } },
    },
  });

  function distribution({ distribution: found, labelled }) {
    const bars = (label, values, back) => ({ label, data: values, backgroundColor: back, borderRadius: 3, maxBarThickness: 14 });
    const datasets = [bars("answers", found.shares, colour("accent"))];
    if (labelled) datasets.push(bars("labels", labelled, colour("second")));
    const text = { color: colour("ink") };
    const names = { grid: { display: false }, border: { display: false }, ticks: { ...text, autoSkip: false } };
    return {
      type: "bar",
      data: { labels: found.labels.map(words), datasets },
      options: { ...common(Boolean(labelled)), indexAxis: "y", scales: { x: shares(), y: names } },
    };
  }

  function reliability({ reliability: bins }) {
    const most = Math.max(...bins.map((bin) => bin.count));
    const points = bins.map((bin) => ({ x: bin.score, y: bin.rate, count: bin.count }));
    const title = (text) => ({ display: true, text, color: colour("soft") });
    const options = common(false);
    options.plugins.tooltip = {
      callbacks: { label: ({ raw }) => `score ${raw.x.toFixed(2)}, ${Math.round(100 * raw.y)}% positive, ${raw.count ?? ""}` },
      filter: ({ raw }) => raw.count !== undefined,
    };
    options.scales = { x: shares({ type: "linear", max: 1, title: title("score") }), y: shares({ max: 1, title: title("positive") }) };
    return {
      type: "line",
      data: {
        datasets: [
          {
            data: points,
            borderColor: colour("accent"),
            backgroundColor: colour("accent"),
            pointRadius: points.map((point) => 2.5 + 4 * Math.sqrt(point.count / most)),
            clip: false,
          },
          { data: [{ x: 0, y: 0 }, { x: 1, y: 1 }], borderColor: colour("edge"), borderDash: [4, 4], borderWidth: 1, pointRadius: 0 },
        ],
      },
      options,
    };
  }

  for (const plot of document.querySelectorAll(".plot[data-rows]")) {
    const two = data.charts[plot.firstElementChild.dataset.chart].labelled ? 1.3 : 1;
    plot.style.height = `${3.5 + plot.dataset.rows * 1.2 * two}rem`;
  }
  const watch = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting || seen.has(entry.target)) continue;
        seen.add(entry.target);
        chart(entry.target);
      }
    },
    { rootMargin: "400px" },
  );
  document.querySelectorAll("canvas").forEach((canvas) => watch.observe(canvas));
  const recolour = () => seen.forEach(chart);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  addEventListener("beforeprint", () => document.querySelectorAll("canvas").forEach((canvas) => seen.add(canvas) && chart(canvas)));

  // ---- light, dark, or as the system says
  const themes = { "": "Auto", light: "Light", dark: "Dark" };
  function theme(name) {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    $("theme").textContent = themes[name];
    $("theme").ariaLabel = `Colours: ${name || "as the system"}`;
    recolour();
  }
  $("theme").addEventListener("click", () => {
    const names = Object.keys(themes);
    theme(names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length]);
  });

  // ---- controls
  function clear() {
    $("filters").reset();
    like = null;
    filter();
  }
  function turn(by) {
    page += by;
    draw();
    $("filters").scrollIntoView({ block: "end", behavior: "instant" });
    $("gallery").querySelector(".open")?.focus();
  }
  $("filters").addEventListener("input", filter);
  // Not every way of choosing an option sends "input" too.
  $("filters").addEventListener("change", (event) => event.target.matches("select") && filter());
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("sort").addEventListener("change", () => (like = null), { capture: true });
  $("clear").addEventListener("click", clear);
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("close").addEventListener("click", () => $("detail").close());
  $("back").addEventListener("click", () => step(-1));
  $("forth").addEventListener("click", () => step(1));
  $("similar").addEventListener("click", () => {
    like = shown[at];
    $("detail").close();
    filter();
  });
  $("detail").addEventListener("click", (event) => event.target === $("detail") && $("detail").close());
  $("detail").addEventListener("close", () => {
    const target = Math.floor(at / PAGE);
    if (target !== page && shown[at]) {
      page = target;
      draw();
    }
    $("gallery").querySelectorAll(".open")[at % PAGE]?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ($("detail").open) {
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
      return;
    }
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      $("search").focus();
    }
  });

  if (matchMedia("(max-width: 40rem)").matches) $("more").open = false;
  filter();
})();

"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);

  // Light and dark: what the system wants, until the button says otherwise.
  const theme = by("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // Copying. Without a secure context there is no clipboard, but a selection.
  const copyText = (text) => {
    if (navigator.clipboard) {
      return navigator.clipboard.writeText(text);
    }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("not copied"));
  };
  for (const button of all("button.copy")) {
    const word = button.firstChild;
    button.addEventListener("click", () => {
      copyText(button.dataset.copy ?? by(button.dataset.copyOf).textContent).then(
        () => { word.data = "Copied"; },
        () => { word.data = "Not copied"; },
      ).then(() => setTimeout(() => { word.data = "Copy"; }, 1500));
    });
  }

  // The graphs: the way to a name, and what it needs and who needs it.
  const story = by("story");
  for (const graph of JSON.parse(by("data").textContent).graphs) {
    const box = by("graph-" + graph.id);
    const svg = box.querySelector("svg");
    const nodes = all(".node", svg);
    const edges = all(".edges path", svg);

    const clear = () => {
      svg.classList.remove("picking");
      for (const e of all(".hot, .near", svg)) {
        e.classList.remove("hot", "near");
      }
    };
    const pick = (n) => {
      clear();
      svg.classList.add("picking");
      const common = by("show-common").checked;
      graph.edges.forEach(([from, to], i) => {
        const hidden = !common && edges[i].classList.contains("common");
        if (to === n || from === n && !hidden) {
          edges[i].classList.add("near");
          nodes[from].classList.add("near");
          nodes[to].classList.add("near");
        }
      });
      const way = [];
      for (let at = n; ;) {
        const node = graph.nodes[at];
        nodes[at].classList.add("hot");
        way.unshift(node.label);
        if (node.by < 0) {
          break;
        }
        edges[node.by].classList.add("hot");
        at = graph.edges[node.by][0];
      }
      const node = graph.nodes[n];
      const asks = new Set(graph.edges.filter(([, to]) => to === n).map(([from]) => from)).size;
      const parts = [way.join(" → ")];
      if (node.rule) parts.push("found through " + node.rule);
      if (node.path && !node.members) parts.push(node.path);
      if (node.package && node.package !== node.label) parts.push("package " + node.package);
      if (asks > 1) parts.push(`${asks} ask for it`);
      if (node.members) parts.push(node.members.join(" "));
      story.textContent = parts.join(" · ");
    };
    nodes.forEach((node, n) => {
      node.addEventListener("pointerenter", () => pick(n));
      node.addEventListener("pointerleave", clear);
      node.addEventListener("focus", () => pick(n));
      node.addEventListener("blur", clear);
      node.tabIndex = n === 0 ? 0 : -1; // one stop for Tab; arrows go on from there
    });

    // Arrows go to the nearest name in their direction.
    const directions = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    const places = nodes.map((node) => {
      const r = node.querySelector("rect");
      const value = (name) => Number(r.getAttribute(name));
      return [value("x") + value("width") / 2, value("y") + value("height") / 2];
    });
    const go = (n) => {
      for (const node of nodes) node.tabIndex = -1;
      nodes[n].tabIndex = 0;
      nodes[n].focus({ preventScroll: true });
      nodes[n].scrollIntoView({ block: "nearest", inline: "nearest" });
    };
    svg.addEventListener("keydown", (event) => {
      const to = directions[event.key];
      const n = nodes.indexOf(event.target.closest(".node"));
      if (!to || n < 0) return;
      event.preventDefault();
      let best = -1, least = Infinity;
      places.forEach(([x, y], i) => {
        const dx = x - places[n][0], dy = y - places[n][1];
        const along = dx * to[0] + dy * to[1];
        const aside = Math.abs(dx * to[1]) + Math.abs(dy * to[0]);
        if (i !== n && along > 1 && along + 3 * aside < least) {
          [best, least] = [i, along + 3 * aside];
        }
      });
      if (best >= 0) go(best);
    });

    // Zooming, by buttons or the wheel with Ctrl; panning, by scrolling or dragging.
    const width = svg.width.baseVal.value, height = svg.height.baseVal.value;
    let scale = 1;
    const fit = () => Math.min(1, (box.clientWidth - 2) / width);
    const zoom = (to, x = box.clientWidth / 2, y = box.clientHeight / 2) => {
      to = Math.min(3, Math.max(0.1, to));
      const left = (box.scrollLeft + x) * to / scale - x, top = (box.scrollTop + y) * to / scale - y;
      scale = to;
      svg.setAttribute("width", width * scale);
      svg.setAttribute("height", height * scale);
      box.scrollTo(left, top);
    };
    for (const button of all("[data-zoom]")) {
      button.addEventListener("click", () => {
        if (box.offsetParent === null) return;
        zoom({ out: scale / 1.25, in: scale * 1.25, one: 1, fit: fit() }[button.dataset.zoom]);
      });
    }
    if (fit() > 0.75) zoom(fit()); // if it nearly fits, and names stay readable
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const r = box.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 400), event.clientX - r.left, event.clientY - r.top);
    }, { passive: false });
    let drag = null;
    box.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest(".node")) {
        drag = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
      }
    });
    addEventListener("pointermove", (event) => {
      if (drag) box.scrollTo({ left: drag.x - event.clientX, top: drag.y - event.clientY, behavior: "instant" });
    });
    addEventListener("pointerup", () => { drag = null; });

    // Searching, in names, paths and packages.
    const find = by("find");
    let matches = [], at = 0;
    const shown = () => box.offsetParent !== null;
    const search = () => {
      const text = find.value.trim().toLowerCase();
      matches = [];
      nodes.forEach((node, n) => {
        const { label, path = "", package: pack = "", members = [] } = graph.nodes[n];
        const hit = text !== "" && [label, path, pack, ...members].some((s) => s.toLowerCase().includes(text));
        node.classList.toggle("match", hit);
        if (hit) matches.push(n);
      });
      at = 0;
      if (!shown()) return;
      by("found").textContent = text === "" ? "" : `${matches.length} found`;
      show();
    };
    const show = () => {
      clear();
      if (matches.length === 0) return;
      pick(matches[at]);
      nodes[matches[at]].scrollIntoView({ block: "nearest", inline: "nearest" });
    };
    find.addEventListener("input", search);
    find.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || matches.length === 0 || !shown()) return;
      at = (at + (event.shiftKey ? matches.length - 1 : 1)) % matches.length;
      show();
    });
    for (const radio of all("input[name=view]")) radio.addEventListener("change", search);
  }

  // In a hand, where rows are drawn as cards, tables stay tables for those who listen.
  if (matchMedia("(max-width: 640px)").matches) {
    const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
    for (const e of all("table, thead, tbody, tr, td, th")) {
      e.setAttribute("role", roles[e.tagName] ?? (e.scope === "row" ? "rowheader" : "columnheader"));
    }
  }

  // On paper, all is unfolded.
  addEventListener("beforeprint", () => {
    for (const d of all("details:not([open])")) {
      d.open = true;
      addEventListener("afterprint", () => { d.open = false; }, { once: true });
    }
  });

  // The table of files.
  const table = by("table");
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const heads = all("th", table.tHead);
  const column = (name) => heads.findIndex((h) => h.textContent.trim() === name);
  const packageColumn = column("Package");
  const filter = by("filter"), type = by("type"), pack = by("package"), left = by("left");
  const narrow = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    rows.forEach((row) => {
      const keep = words.every((w) => texts.get(row).includes(w)) && (!type.value || row.dataset.type === type.value) &&
        (!pack || !pack.value || row.cells[packageColumn].textContent === pack.value);
      row.hidden = !keep;
      if (keep) n++;
    });
    left.textContent = n === rows.length ? "" : `${n} of ${rows.length}`;
  };
  for (const input of [filter, type, pack]) {
    if (input) input.addEventListener("input", narrow);
  }
  heads.forEach((head, i) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "script";
    button.setAttribute("aria-label", "Sort by " + head.textContent.trim());
    head.append(button);
    const key = head.dataset.sort === "number" ? (row) => Number(row.cells[i].dataset.value) : (row) => row.cells[i].textContent;
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : head.dataset.sort !== "number";
      for (const h of heads) h.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort((a, b) => {
        const x = key(a), y = key(b);
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      });
      table.tBodies[0].append(...rows);
    });
  });
  addEventListener("hashchange", () => { // a name of the graph leads to its row, filtered or not
    const row = by(location.hash.slice(1));
    if (row && row.hidden) {
      filter.value = type.value = "";
      if (pack) pack.value = "";
      narrow();
      row.scrollIntoView();
    }
  });
})();

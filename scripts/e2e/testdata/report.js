// What a browser finds wrong with a report, a sentence each.

var shown = (e) => e.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });

// Colours and contrast, as in WCAG 2.1, 1.4.3.
var parse = (colour) => {
  const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
  return { r, g, b, a };
};
var luminance = ({ r, g, b }) => {
  const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
var contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
var behind = (e) => {
  if (e instanceof SVGElement && e.tagName === "text") {
    return parse(getComputedStyle(e.parentNode.querySelector("rect")).fill);
  }
  for (let at = e; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.a > 0) return colour;
  }
  return { r: 255, g: 255, b: 255 };
};

var faintTexts = () => {
  const seen = new Map(), like = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let counted = 0;
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    const kind = [e, e.parentElement].map((x) => `${x.tagName}.${x.className.baseVal ?? x.className}`).join(" in ");
    if (!n.data.trim() || like.get(kind) > 40 || e.closest("script, style, title, option") || !shown(e)) continue;
    like.set(kind, (like.get(kind) ?? 0) + 1); // rows are alike
    counted++;
    const style = getComputedStyle(e);
    const ratio = contrast(parse(e instanceof SVGElement ? style.fill : style.color), behind(e));
    if (ratio < 4.5) seen.set(kind, `has a contrast of ${ratio.toFixed(2)}: ${n.data.trim().slice(0, 40)}`);
  }
  const faults = [...seen].map(([what, why]) => what + " " + why);
  return counted > 50 ? faults : [...faults, `only ${counted} texts were looked at`];
};

// What is drawn: texts in their boxes, and no box upon another.
var overlaps = () => {
  const faults = [];
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  let texts = 0;
  for (const text of document.querySelectorAll(".graph text, .map text")) {
    if (!shown(text)) continue;
    texts++;
    if (!inside(text.getBoundingClientRect(), text.parentNode.querySelector("rect").getBoundingClientRect())) {
      faults.push(`${text.textContent} is wider than its box`);
    }
    const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
    if (size < 8) faults.push(`${text.textContent} is drawn with ${size} pixels`);
  }
  for (const cell of innerWidth > 640 ? [] : document.querySelectorAll("td[data-label]")) { // a card has its labels on the left
    const text = document.createRange();
    text.selectNodeContents(cell);
    if (shown(cell) && cell.textContent && text.getBoundingClientRect().left < cell.getBoundingClientRect().left + 100) {
      faults.push(`${cell.textContent} lies upon its label, ${cell.dataset.label}`);
    }
  }
  if (texts < 4) faults.push(`only ${texts} labels were looked at`);
  for (const box of document.querySelectorAll("main *, header *")) {
    const r = box.getBoundingClientRect();
    if (r.right > innerWidth + 1 && shown(box) && !box.closest(".graph, pre, .table, .quiet, thead, .skip")) {
      faults.push(`${box.tagName}.${box.className} ends at ${r.right}`);
    }
  }
  return faults;
};

// What is heard, and reached without a pointer.
var names = () => {
  const faults = [];
  const say = (e, why) => faults.push(`${e.outerHTML.slice(0, 80)} ${why}`);
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim() || e.labels?.length || document.getElementById(e.getAttribute("aria-labelledby"));
  for (const e of document.querySelectorAll("button, a, input, select, summary, [role=region], [role=group], [role=img], nav")) {
    if (!named(e)) say(e, "has no name");
  }
  for (const svg of document.querySelectorAll("svg")) {
    if (!svg.hasAttribute("aria-hidden") && !svg.hasAttribute("aria-label")) say(svg, "has no name");
  }
  for (const e of document.querySelectorAll("[tabindex]")) {
    if (e.tabIndex > 0) say(e, "comes before its turn");
  }
  for (const th of document.querySelectorAll("th")) {
    if (!th.scope) say(th, "has no scope");
  }
  for (const box of document.querySelectorAll(".graph, .table, pre")) { // WCAG 2.1, 2.1.1
    if (box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0) say(box, "cannot be scrolled by keyboard");
  }
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3")) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) say(h, "leaves out a level");
    level = now;
  }
  if (!document.documentElement.lang || !document.title) faults.push("the page has no language or title");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) faults.push("two elements have one id");
  if (getComputedStyle(document.documentElement).scrollBehavior !== "auto") faults.push("the page moves for those who want it still");
  return faults;
};

var faults = () => [...faintTexts(), ...overlaps(), ...names()];

// What the script should do, and does not.
var misbehaviour = () => {
  const faults = [];
  const expect = (holds, what) => holds || faults.push(what);
  const by = (id) => document.getElementById(id);
  const nodes = [...document.querySelectorAll("#graph-files .node")];

  // Pointing shows the way, arrows go on.
  const last = nodes.find((n) => n.textContent.includes("libc.so.6"));
  last.dispatchEvent(new PointerEvent("pointerenter"));
  expect(/^\S+ → .*libc\.so\.6/.test(by("story").textContent), `the way to libc is told as ${by("story").textContent}`);
  expect(document.querySelectorAll("#graph-files .edges .hot").length > 0, "the way is not drawn");
  const asks = JSON.parse(by("data").textContent).graphs[0].edges.filter(([, to]) => to === nodes.indexOf(last)).length;
  expect(asks > 0 && document.querySelectorAll("#graph-files .edges .near").length >= asks, "not all who ask for libc are shown");
  last.dispatchEvent(new PointerEvent("pointerleave"));
  expect(!document.querySelector("#graph-files .hot"), "the way stays when the pointer has left");
  expect(nodes.filter((n) => n.tabIndex === 0).length === 1, "the graph is more than one stop for Tab");
  nodes[0].focus();
  nodes[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  expect(document.activeElement !== nodes[0] && nodes.includes(document.activeElement), "an arrow does not go on");
  document.activeElement.blur();

  // Searching.
  by("find").value = "LIBC.SO";
  by("find").dispatchEvent(new Event("input"));
  expect(document.querySelectorAll("#graph-files .match").length >= 1 && /found/.test(by("found").textContent), "libc is not found");
  by("find").value = "";
  by("find").dispatchEvent(new Event("input"));
  expect(!document.querySelector(".match, .hot"), "what was searched for stays marked");

  // Hidden edges.
  const common = document.querySelector("#graph-files .common");
  const visible = () => common && getComputedStyle(common).display !== "none";
  expect(!visible(), "needs of the C library are shown");
  by("show-common").click();
  expect(!common || visible(), "needs of the C library stay hidden");
  by("show-common").click();
  if (by("by-packages")) {
    by("by-packages").click();
    expect(by("graph-packages").offsetParent && !by("graph-files").offsetParent, "packages are not shown");
    by("by-files").click();
  }

  // The table.
  const rows = () => [...by("table").tBodies[0].rows].filter((r) => !r.hidden);
  const all = rows().length;
  by("filter").value = "libc.so.6 file";
  by("filter").dispatchEvent(new Event("input"));
  expect(rows().length > 0 && rows().length < all && rows().every((r) => /libc\.so\.6/.test(r.textContent)), `the filter leaves ${rows().length} of ${all}`);
  by("filter").value = "";
  by("type").value = "link";
  by("type").dispatchEvent(new Event("input"));
  expect(rows().length > 0 && rows().every((r) => r.dataset.type === "link"), "the type is not heeded");
  by("type").value = "";
  by("type").dispatchEvent(new Event("input"));
  const sort = by("table").tHead.rows[0].cells[3];
  const sizes = () => rows().map((r) => Number(r.cells[3].dataset.value));
  sort.querySelector("button").click();
  expect(sizes().every((s, i, list) => i === 0 || list[i - 1] >= s) && sort.ariaSort === "descending", "sizes are not sorted from the biggest");
  sort.querySelector("button").click();
  expect(sizes().every((s, i, list) => i === 0 || list[i - 1] <= s) && sort.ariaSort === "ascending", "sizes are not sorted from the smallest");

  // Light and dark.
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const before = paper();
  by("theme").click();
  expect(paper() !== before && by("theme").ariaPressed === String(parse(paper()).r < 128), "the button does not change the colours");
  by("theme").click();
  expect(paper() === before, "the button does not change the colours back");

  // Each name leads to its row.
  expect(nodes.every((n) => document.querySelector(n.getAttribute("href"))), "a name leads nowhere");
  return faults;
};

// What is wrong with the page as it stands, for people who can't see it well or
// use no mouse: a list of sentences. Evaluated in the page by TestPage*.
(() => {
  const wrong = [];
  const say = (el, text) => wrong.push(`${text}: ${el.outerHTML.slice(0, 120)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const dialog = document.querySelector("dialog[open]");
  const seen = (el) => el.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && (!dialog || dialog.contains(el));

  // Landmarks, headings, language, title.
  for (const [selector, count] of [["main", 1], ["header", 1], ["h1", 1]]) {
    const found = all(selector).filter((el) => !dialog || !dialog.contains(el)).length;
    if (found !== count) wrong.push(`${found} of ${selector}, want ${count}`);
  }
  for (const nav of all("nav")) if (!nav.getAttribute("aria-label")) say(nav, "a navigation without a name");
  if (!document.documentElement.lang) wrong.push("the page has no language");
  if (!document.title) wrong.push("the page has no title");
  let level = 0;
  for (const heading of all("h1, h2, h3, h4").filter(seen)) {
    const now = Number(heading.localName[1]);
    if (now > level + 1 && !(dialog && level === 0)) say(heading, `heading ${now} after ${level}`);
    level = now;
  }

  // Every reference leads somewhere, and no id is there twice.
  const ids = new Set();
  for (const el of all("[id]")) {
    if (ids.has(el.id)) say(el, "an id that is there twice");
    ids.add(el.id);
  }
  for (const name of ["for", "aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const el of all(`[${name}]`).filter((one) => one.checkVisibility())) {
      for (const id of el.getAttribute(name).split(" ")) if (!ids.has(id)) say(el, `${name} leads nowhere`);
    }
  }

  // Everything that can be used has a name, and is large enough to be hit.
  const label = (el) => [el.getAttribute("aria-label"), ...(el.labels ? [...el.labels].map((one) => one.textContent) : []), el.textContent,
    ...(el.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent)].filter(Boolean).join(" ").trim();
  for (const el of all("a[href], button, input, select, summary, [role=img], progress, dialog").filter(seen)) {
    if (!label(el)) say(el, "no name");
    const box = el.getBoundingClientRect();
    const inline = el.localName === "a" || el.classList.contains("link") || el.localName === "progress";
    if (!inline && el.localName !== "input" && (box.width < 24 || box.height < 20)) say(el, `only ${Math.round(box.width)} x ${Math.round(box.height)} large`);
    if (el.tabIndex > 0) say(el, "a place of its own in the order of tabs");
  }
  for (const table of all("table").filter(seen)) {
    if (!table.caption?.textContent) say(table, "a table without a caption");
    for (const th of table.querySelectorAll("th")) if (!th.scope) say(th, "a heading without a scope");
  }
  for (const grid of all("[role=grid]").filter(seen)) {
    if (grid.querySelectorAll('[tabindex="0"]').length !== 1) say(grid, "not exactly one tab stop");
    for (const cell of grid.querySelectorAll("[role=gridcell]")) if (!cell.getAttribute("aria-label")) say(cell, "a cell without a name");
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth - root.clientWidth} px too wide`);
  for (const el of all("main *").filter(seen)) {
    const box = el.getBoundingClientRect();
    if (box.right > root.clientWidth + 1 && box.width > 1 && !el.closest("svg, .visually-hidden, thead")) say(el, `${Math.round(box.right - root.clientWidth)} px beyond the page`);
  }

  for (const el of all("main :is(dd, dt, td, th, p, button, a, h1, h2, h3), dialog :is(p, dd, button, h2, h3)").filter(seen)) {
    if (el.clientWidth > 0 && el.scrollWidth > el.clientWidth + 1) say(el, `its text is ${el.scrollWidth - el.clientWidth} px too wide for it`);
  }

  // Contrast of text, WCAG AA. Colours are painted to be read: the browser knows all notations.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (text) => {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
  const ground = (el) => {
    if (!el) return rgba(getComputedStyle(document.body).backgroundColor);
    const own = rgba(getComputedStyle(el).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(el.parentElement));
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const walker = document.createTreeWalker(dialog ?? document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const el = text.parentElement;
    if (!text.data.trim() || !seen(el) || el.closest(".visually-hidden, :disabled, noscript")) continue;
    const style = getComputedStyle(el);
    const size = parseFloat(style.fontSize);
    const need = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const behind = ground(el);
    const [r, g, b, a] = rgba(style.color);
    let opacity = a;
    for (let at = el; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const got = ratio(over([r, g, b, opacity], behind), behind);
    if (got < need) say(el, `contrast ${got.toFixed(2)}, want ${need}`);
  }
  return wrong;
})()

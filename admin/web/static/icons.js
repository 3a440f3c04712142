// Line icons on a grid of 24, drawn for this page. They decorate: words stand
// beside each of them.

import { h } from "./dom.js";

const paths = {
  overview: "M4 13h6V4H4zm0 7h6v-4H4zm10 0h6v-9h-6zm0-16v4h6V4z",
  slots: "M4 4h4v4H4zm6 0h4v4h-4zm6 0h4v4h-4zM4 10h4v4H4zm6 0h4v4h-4zm6 0h4v4h-4zM4 16h4v4H4zm6 0h4v4h-4zm6 0h4v4h-4z",
  groups: "M4 6c0-1.1 3.6-2 8-2s8 .9 8 2-3.6 2-8 2-8-.9-8-2zm0 0v12c0 1.1 3.6 2 8 2s8-.9 8-2V6M4 12c0 1.1 3.6 2 8 2s8-.9 8-2",
  nodes: "M12 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM5.5 21a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zm13 0a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM10.5 8.6 6.7 16m6.8-7.4 3.8 7.4M8 18.5h8",
  jobs: "M4 7h11m0 0-3-3m3 3-3 3m8 7H9m0 0 3-3m-3 3 3 3",
  history: "M4 12a8 8 0 1 0 2.4-5.7L4 8.5M4 4v4.5h4.5M12 8v4.5l3 2",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zm-7 10a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm0-14v2m0 16v2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4M2 12h2m16 0h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "m6 9.5 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  check: "m5 12.5 4.5 4.5L19 7.5",
  warning: "M12 4 2.5 20h19zM12 10v4.5m0 2.5v.5",
  alarm: "M8 3h8l5 5v8l-5 5H8l-5-5V8zm4 4.5v5.5m0 3v.5",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zm0-10v5.5m0-9v.5",
  arrow: "M5 12h14m0 0-5-5m5 5-5 5",
  plus: "M12 5v14M5 12h14",
  out: "M14 4h5v16h-5M4 12h10m0 0-3.5-3.5M14 12l-3.5 3.5",
  offline: "M3 3l18 18M5 12.5a10 10 0 0 1 4-2.4m6 .1a10 10 0 0 1 4 2.3M8.5 16a5 5 0 0 1 7 0M12 19.5v.1M2 9a15 15 0 0 1 4-2.5M10 5.2A15 15 0 0 1 22 9",
};

// icon describes one of them.
export function icon(name) {
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, h("path", { d: paths[name] }));
}

// brand is the mark of the page: a ring of slots, one of which is on its way.
export function brand() {
  return h("svg", { class: "brand-mark", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    h("path", { class: "ring", d: "M19.1 7.9A8.2 8.2 0 1 0 19.1 16.1" }),
    h("path", { class: "spark", d: "M17.5 12h4" }));
}

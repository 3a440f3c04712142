// Line icons on a grid of 24, drawn for this page. They decorate: words stand
// beside each of them.

import { h } from "./dom.js";

const paths = {
  overview: "M4 13h6V4H4zm0 7h6v-4H4zm10 0h6v-9h-6zm0-16v4h6V4z",
  slots: "M4 4h4v4H4zm6 0h4v4h-4zm6 0h4v4h-4zM4 10h4v4H4zm6 0h4v4h-4zm6 0h4v4h-4zM4 16h4v4H4zm6 0h4v4h-4zm6 0h4v4h-4z",
  groups: "M4 6c0-1.1 3.6-2 8-2s8 .9 8 2-3.6 2-8 2-8-.9-8-2zm0 0v12c0 1.100 3.600 2 8 2s8-.9 8-2V6M4 12c0 1.100 3.600 2 8 2s8-.9 8-2",
  nodes: "M12 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM5.500 21a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zm13 0a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM10.500 8.600 6.700 16m6.800-7.400 3.800 7.400M8 18.500h8",
  jobs: "M4 7h11m0 0-3-3m3 3-3 3m8 7H9m0 0 3-3m-3 3 3 3",
  history: "M4 12a8 8 0 1 0 2.400-5.700L4 8.500M4 4v4.500h4.500M12 8v4.500l3 2",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.500 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zm-7 10a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm0-14v2m0 16v2M4.900 4.900l1.400 1.400m11.400 11.400 1.400 1.400M2 12h2m16 0h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  moon: "M20 14.500A8 8 0 0 1 9.500 4 8 8 0 1 0 20 14.500z",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "m6 9.500 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  check: "m5 12.500 4.500 4.500L19 7.500",
  warning: "M12 4 2.500 20h19zM12 10v4.500m0 2.500v.5",
  alarm: "M8 3h8l5 5v8l-5 5H8l-5-5V8zm4 4.500v5.500m0 3v.5",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zm0-10v5.500m0-9v.5",
  arrow: "M5 12h14m0 0-5-5m5 5-5 5",
  plus: "M12 5v14M5 12h14",
  out: "M14 4h5v16h-5M4 12h10m0 0-3.500-3.500M14 12l-3.500 3.500",
  offline: "M3 3l18 18M5 12.500a10 10 0 0 1 4-2.400m6 .1a10 10 0 0 1 4 2.300M8.500 16a5 5 0 0 1 7 0M12 19.500v.1M2 9a15 15 0 0 1 4-2.500M10 5.200A15 15 0 0 1 22 9",
};

// icon describes one of them.
export function icon(name) {
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, h("path", { d: paths[name] }));
}

// brand is the mark of the page: a ring of slots, one of which is on its way.
export function brand() {
  return h("svg", { class: "brand-mark", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    h("path", { class: "ring", d: "M19.100 7.900A8.200 8.200 0 1 0 19.100 16.100" }),
    h("path", { class: "spark", d: "M17.500 12h4" }));
}

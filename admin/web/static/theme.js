// Dark, light, or as the system has it.

import { restyle } from "./charts.js";
import { redraw } from "./store.js";

const order = ["system", "light", "dark"];
const key = "codis-theme";
let now = order.includes(read()) ? read() : "system";

// theme is the chosen one.
export function theme() {
  return now;
}

// nextTheme takes the next one.
export function nextTheme() {
  now = order[(order.indexOf(now) + 1) % order.length];
  try {
    localStorage.setItem(key, now);
  } catch {
    // Without storage the choice holds until the page is left.
  }
  apply();
  redraw();
}

// apply puts it on the page; charts read their colours from there.
export function apply() {
  document.documentElement.dataset.theme = now;
  restyle();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);

function read() {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

// Short messages about what has just been done, read out by screen readers.

import { h, patch } from "./dom.js";
import { icon } from "./icons.js";

const stay = 8_000;
const most = 4;
let list = [];
let next = 1;

// toast shows a message for a while; level is ok, warning or alarm.
export function toast(text, level = "ok") {
  const message = { id: next++, text, level };
  list = [...list, message].slice(-most);
  draw();
  setTimeout(() => dismiss(message.id), stay);
}

function dismiss(id) {
  list = list.filter((message) => message.id !== id);
  draw();
}

function draw() {
  patch(document.getElementById("toasts"), list.map((message) =>
    h("div", { class: `toast ${message.level}`, key: message.id },
      icon(message.level === "ok" ? "check" : "alarm"), h("p", {}, message.text),
      h("button", { type: "button", class: "button quiet square", "aria-label": "Dismiss", on: { click: () => dismiss(message.id) } }, icon("close")))));
}

// One dialog at a time: a form, then what has come of it. The browser's own
// <dialog> keeps the focus inside, closes on Escape and gives the focus back.

import { Problem } from "./api.js";
import { h, patch } from "./dom.js";
import { icon } from "./icons.js";
import { button, callout, problemBox } from "./ui.js";

let open = null;

// openDialog shows a dialog: title; body(form) draws the form from form.values;
// submit labels the button (text, or a function of the form); danger colours it;
// run(form) does the work and returns {done, ...} with what to draw instead of the
// form, or nothing to draw the form again.
export function openDialog(spec) {
  open = {
    ...spec,
    values: { ...spec.values },
    busy: false, problem: null, done: null,
    set(values) {
      Object.assign(this.values, values);
      this.problem = null;
      draw();
    },
  };
  const frame = document.getElementById("dialog");
  if (!frame.ready) {
    frame.ready = true;
    frame.addEventListener("close", () => {
      if (frame.open) return; // another one was opened before this was heard
      open = null;
      patch(frame, []);
    });
  }
  draw();
  frame.showModal();
  (frame.querySelector("[autofocus]") ?? frame.querySelector("h2")).focus();
}

// closeDialog closes it.
export function closeDialog() {
  document.getElementById("dialog").close();
}

// redrawDialog draws it again with what is known now.
export function redrawDialog() {
  if (open) draw();
}

async function submit(event) {
  event.preventDefault();
  const form = open;
  if (form.busy) return;
  Object.assign(form, { busy: true, problem: null });
  draw();
  try {
    form.done = (await form.run(form)) ?? null;
  } catch (error) {
    form.problem = error instanceof Problem ? error : new Problem({ detail: String(error) });
  }
  form.busy = false;
  if (form !== open) return;
  draw();
  // Where the focus was may be gone.
  if (form.done) document.getElementById("dialog-title").focus();
}

function draw() {
  const form = open;
  patch(document.getElementById("dialog"), h("form", { class: "dialog-form", method: "dialog", novalidate: true, on: { submit } },
    h("header", {},
      h("h2", { id: "dialog-title", tabindex: "-1" }, form.title),
      h("button", { type: "button", class: "button quiet square", "aria-label": "Close", on: { click: closeDialog } }, icon("close"))),
    h("div", { class: "dialog-body" },
      form.done ? form.done.body : form.body(form),
      form.problem && problemBox(form.problem)),
    h("footer", {}, form.done
      ? [form.done.link, button("Close", { kind: "primary", click: closeDialog })]
      : [button("Cancel", { click: closeDialog }), submitButton(form)])));
}

function submitButton(form) {
  const label = typeof form.submit === "function" ? form.submit(form) : form.submit;
  return h("button", {
    type: "submit", class: `button ${form.danger ? "danger" : "primary"}`,
    disabled: form.busy || (form.ready && !form.ready(form)),
  }, h("span", {}, form.busy ? "Working…" : label));
}

// finished draws the end of a dialog: what was done, and what the node says to it.
export function finished(text, answer, link) {
  return {
    link,
    body: h("div", { role: "status" },
      callout("ok", h("p", {}, text)),
      (answer?.notes ?? []).map((note) => callout("notice", h("p", {}, note)))),
  };
}

// input is a control bound to a value of the form.
export function input(form, name, props = {}) {
  return h("input", {
    id: `f-${name}`, name, type: "text", autocomplete: "off", "aria-describedby": props.help ? `f-${name}-help` : null,
    ...without(props, "help"),
    prop: { value: form.values[name] ?? "" },
    on: { input: (event) => form.set({ [name]: event.target.value }) },
  });
}

// select is a list to choose from; options are {value, label}.
export function select(form, name, options, props = {}) {
  return h("select", { id: `f-${name}`, name, ...props, on: { change: (event) => form.set({ [name]: event.target.value }) } },
    options.map((option) => h("option", { key: option.value, value: option.value, prop: { selected: String(form.values[name]) === String(option.value) } }, option.label)));
}

// checkbox is a yes or no with its meaning.
export function checkbox(form, name, label, help) {
  return h("div", { class: "check" },
    h("input", {
      type: "checkbox", id: `f-${name}`, prop: { checked: Boolean(form.values[name]) },
      "aria-describedby": help ? `f-${name}-help` : null, on: { change: (event) => form.set({ [name]: event.target.checked }) },
    }),
    h("div", {}, h("label", { for: `f-${name}` }, label), help && h("p", { class: "note", id: `f-${name}-help` }, help)));
}

function without(props, name) {
  const { [name]: _, ...rest } = props;
  return rest;
}

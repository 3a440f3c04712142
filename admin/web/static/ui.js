// The parts that all views are made of.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { load } from "./live.js";
import { redraw, store } from "./store.js";

// page is a view's frame: its heading, what can be done there, its content.
export function page({ title, lead, actions }, ...children) {
  return [
    h("div", { class: "page-head", key: "head" },
      h("div", {}, h("h1", { id: "title", tabindex: "-1" }, title), lead && h("p", { class: "lead" }, lead)),
      actions && h("div", { class: "actions" }, actions)),
    ...children,
  ];
}

// withData draws what needs resources: what they hold, or why it is not there.
export function withData(names, draw) {
  const missing = names.filter((name) => store.data[name] === undefined);
  if (missing.length === 0) return draw(...names.map((name) => store.data[name]));
  const problem = missing.map((name) => store.problems[name]).find(Boolean);
  if (problem && store.link.state !== "live") {
    return problemBox(problem, button("Try again", { click: () => missing.forEach(load) }));
  }
  return h("div", { class: "skeleton", key: "skeleton", role: "status" },
    h("span", { class: "visually-hidden" }, "Loading"),
    [1, 2, 3].map(() => h("div", { class: "bone", "aria-hidden": "true" })));
}

// card is a titled part of a view.
export function card({ title, id, actions, kind, note }, ...children) {
  const label = id ?? `card-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h("section", { class: `card ${kind ?? ""}`, "aria-labelledby": label, key: label },
    h("div", { class: "card-head" },
      h("div", {}, h("h2", { id: label }, title), note && h("p", { class: "note" }, note)),
      actions && h("div", { class: "actions" }, actions)),
    ...children);
}

// button is one; kind is primary, danger or quiet; of says what it is for where the
// label alone does not.
export function button(label, { click, kind, name, disabled, of, type }) {
  return h("button", {
    type: type ?? "button", class: `button ${kind ?? ""}`, disabled, "aria-label": of ? `${label} ${of}` : null,
    on: click ? { click } : {},
  }, name && icon(name), h("span", {}, label));
}

const shapes = { ok: "check", notice: "info", warning: "warning", alarm: "alarm", idle: "info", busy: "jobs" };

// lamp tells a state by colour, shape and word.
export function lamp(level, text) {
  return h("span", { class: `lamp ${level}` }, icon(shapes[level] ?? "info"), h("span", {}, text));
}

// callout is a message that stays.
export function callout(level, ...children) {
  return h("div", { class: `callout ${level}` }, icon(shapes[level] ?? "info"), h("div", {}, ...children));
}

// problemBox shows why something failed, and what to do.
export function problemBox(problem, ...actions) {
  return h("div", { class: "callout alarm", role: "alert", key: "problem" }, icon("alarm"),
    h("div", {},
      h("p", { class: "strong" }, problem.message),
      problem.hint && h("p", {}, problem.hint),
      problem.code && h("p", { class: "note" }, `Code ${problem.code}`),
      actions));
}

// empty is drawn where there is nothing yet.
export function empty({ name, title, text }, ...actions) {
  return h("div", { class: "empty", key: "empty" }, icon(name), h("h2", {}, title), h("p", {}, text), actions);
}

// tile is one figure.
export function tile(label, value) {
  return h("div", { class: "tile" }, h("dt", {}, label), h("dd", {}, value));
}

// table describes rows; a column has label, cell(row), and numeric or wide. On
// narrow pages each row becomes a block, so the roles are spelled out: browsers
// drop them from tables that are not laid out as such.
export function table({ caption, columns, rows, id, kind }) {
  return h("div", { class: `table-frame ${kind ?? ""}` },
    h("table", { role: "table" },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", { role: "rowgroup" },
        h("tr", { role: "row" }, columns.map((column) =>
          h("th", { scope: "col", role: "columnheader", class: column.numeric ? "numeric" : null },
            column.silent ? h("span", { class: "visually-hidden" }, column.label) : column.label)))),
      h("tbody", { role: "rowgroup" }, rows.map((row, at) =>
        h("tr", { role: "row", key: `row-${id ? id(row) : at}` }, columns.map((column, place) =>
          h(place === 0 ? "th" : "td", {
            scope: place === 0 ? "row" : null, role: place === 0 ? "rowheader" : "cell",
            class: [column.numeric && "numeric", column.wide && "wide", column.silent && "row-actions"].filter(Boolean).join(" ") || null,
            "data-label": column.silent ? null : column.label,
          }, column.cell(row))))))));
}

const colours = 8;

// groupClass is the colour and pattern of a group: eight colours, each with four
// patterns, and the number beside it in any case.
export function groupClass(id) {
  if (!id) return "g-none";
  return `g${((id - 1) % colours) + 1} p${Math.floor((id - 1) / colours) % 4}`;
}

// groupChip names a group.
export function groupChip(id, note) {
  return h("span", { class: "chip" },
    h("span", { class: `swatch ${groupClass(id)}`, "aria-hidden": "true" }),
    id ? `Group ${id}` : "No group", note && h("span", { class: "note" }, note));
}

// bar is a share of a whole, drawn beside its number.
export function bar(share, kind) {
  return h("span", { class: `share-bar ${kind ?? ""}`, "aria-hidden": "true" },
    h("span", { style: { "--share": String(Math.max(0, Math.min(1, share || 0))) } }));
}

// field is a labelled control of a form.
export function field({ label, help, id }, control) {
  return h("div", { class: "field" }, h("label", { for: id }, label), control, help && h("p", { class: "note", id: `${id}-help` }, help));
}

// Filter keeps the rows that have what a person is looking for.
export class Filter {
  wanted = "";

  // keep keeps the rows whose text has it.
  keep(rows, text) {
    return this.wanted === "" ? rows : rows.filter((row) => text(row).toLowerCase().includes(this.wanted));
  }

  // box draws the field, and how much is shown of how much.
  box(shown, all, what) {
    return h("div", { class: "strip", key: "filter" },
      h("label", { for: "filter" }, "Filter"),
      h("input", { id: "filter", type: "search", autocomplete: "off", spellcheck: "false", on: { input: (event) => {
        this.wanted = event.target.value.trim().toLowerCase();
        redraw();
      } } }),
      h("span", { class: "note", role: "status" }, `${shown.length} of ${all.length} ${what}`));
  }

  // reset forgets what was looked for, as its field does when the view is left.
  reset() {
    this.wanted = "";
  }
}

// choice is a set of exclusive options, drawn as one control.
export function choice({ legend, name, value, options, pick }) {
  return h("fieldset", { class: "choice" }, h("legend", {}, legend),
    h("div", { class: "segments" }, options.map((option) =>
      h("label", { key: option.value },
        h("input", {
          type: "radio", name, value: option.value, prop: { checked: option.value === value },
          on: { change: () => pick(option.value) },
        }), h("span", {}, option.label)))));
}

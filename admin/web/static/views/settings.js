// Settings of the cluster: what they mean, what they are, changing them.

import { editSetting } from "../actions/settings.js";
import { h } from "../dom.js";
import { redraw } from "../store.js";
import { button, page, table, withData } from "../ui.js";

let wanted = "";

export const settings = {
  title: "Settings",
  needs: ["settings"],
  render: () => page({
    title: "Settings", lead: "They hold for all nodes and take effect at once.",
    actions: h("a", { class: "button", href: "/api/v1/export", download: "codis.json" }, "Download the table"),
  }, withData(["settings"], (list) => {
    const rows = list.filter((row) => `${row.name} ${row.help}`.toLowerCase().includes(wanted));
    return [
      h("div", { class: "strip", key: "filter" },
        h("label", { for: "filter" }, "Filter"),
        h("input", { id: "filter", type: "search", autocomplete: "off", on: { input } }),
        h("span", { class: "note", role: "status" }, `${rows.length} of ${list.length} settings`)),
      h("section", { class: "card flush", "aria-label": "Settings", key: "list" }, table({
        caption: "Settings", rows, id: (row) => row.name,
        columns: [
          { label: "Name", cell: (row) => h("code", {}, row.name) },
          { label: "Value", cell: value },
          { label: "What it does", wide: true, cell: (row) => row.help },
          { label: "Actions", silent: true, cell: (row) => button("Edit…", { click: () => editSetting(row), of: row.name }) },
        ],
      })),
    ];
  })),
};

function value(row) {
  if (row.secret) return h("span", { class: "note" }, "hidden");
  const changed = row.value !== row.default;
  return [
    h("span", { class: changed ? "strong" : "" }, row.value === "" ? "empty" : row.value),
    changed && h("span", { class: "note block" }, `default ${row.default === "" ? "empty" : row.default}`),
  ];
}

function input(event) {
  wanted = event.target.value.toLowerCase();
  redraw();
}

// Settings of the cluster: what they mean, what they are, changing them.

import { editSetting } from "../actions/settings.js";
import { h } from "../dom.js";
import { button, Filter, page, table, withData } from "../ui.js";

const filter = new Filter();

export const settings = {
  title: "Settings",
  needs: ["settings"],
  enter: () => filter.reset(),
  render: () => page({
    title: "Settings", lead: "They hold for all nodes and take effect at once.",
    actions: h("a", { class: "button", href: "/api/v1/export", download: "codis.json" }, "Download the table"),
  }, withData(["settings"], (list) => {
    const rows = filter.keep(list, (row) => `${row.name} ${row.help}`);
    return [
      filter.box(rows, list, "settings"),
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

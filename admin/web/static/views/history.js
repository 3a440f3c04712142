// History: who changed what, and when.

import { h } from "../dom.js";
import { count, when } from "../format.js";
import { redraw } from "../store.js";
import { empty, page, table, withData } from "../ui.js";

let wanted = "";

export const history = {
  title: "History",
  needs: ["history"],
  render: () => page({ title: "History", lead: "Who changed what, the latest first." },
    withData(["history"], (list) => {
      if (list.length === 0) return empty({ name: "history", title: "Nothing has been changed yet", text: "Every change is kept here with its author." });
      const rows = [...list].sort((a, b) => b.epoch - a.epoch).filter((row) => `${row.who} ${row.what}`.toLowerCase().includes(wanted));
      return [
        h("div", { class: "strip", key: "filter" },
          h("label", { for: "filter" }, "Filter"),
          h("input", { id: "filter", type: "search", autocomplete: "off", on: { input } }),
          h("span", { class: "note", role: "status" }, `${rows.length} of ${list.length} changes`)),
        h("section", { class: "card flush", "aria-label": "Changes", key: "list" }, table({
          caption: "Changes", rows, id: (row) => row.epoch,
          columns: [
            { label: "When", cell: (row) => when(row.at) },
            { label: "What", wide: true, cell: (row) => row.what },
            { label: "Who", cell: (row) => row.who },
            { label: "Epoch", numeric: true, cell: (row) => count(row.epoch) },
          ],
        })),
      ];
    })),
};

function input(event) {
  wanted = event.target.value.toLowerCase();
  redraw();
}

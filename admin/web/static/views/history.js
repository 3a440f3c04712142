// History: who changed what, and when.

import { h } from "../dom.js";
import { count, when } from "../format.js";
import { empty, Filter, page, table, withData } from "../ui.js";

const filter = new Filter();

export const history = {
  title: "History",
  needs: ["history"],
  enter: () => filter.reset(),
  render: () => page({ title: "History", lead: "Who changed what, the latest first." },
    withData(["history"], (list) => {
      if (list.length === 0) return empty({ name: "history", title: "Nothing has been changed yet", text: "Every change is kept here with its author." });
      const rows = filter.keep([...list].sort((a, b) => b.epoch - a.epoch), (row) => `${row.who} ${row.what}`);
      return [
        filter.box(rows, list, "changes"),
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

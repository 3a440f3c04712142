// Giving out slots that no group has; keys that are where they do not belong.

import { get, post } from "../api.js";
import { checkbox, finished, input, openDialog, select } from "../dialog.js";
import { h } from "../dom.js";
import { store } from "../store.js";
import { callout, choice, field, lamp } from "../ui.js";

// assignSlots asks which group gets what is free.
export function assignSlots() {
  openDialog({
    title: "Assign free slots",
    values: { how: "auto", start: 0, end: 1023, group: store.data.groups?.[0]?.id ?? "" },
    submit: "Assign",
    body: (form) => [
      callout("notice", h("p", {}, "Slots that have no group are given to one. No data moves, and slots that have a group are left alone.")),
      choice({
        legend: "How", name: "how", value: form.values.how, pick: (how) => form.set({ how }),
        options: [{ value: "auto", label: "Evenly to all groups" }, { value: "range", label: "A range to one group" }],
      }),
      form.values.how === "range" && h("div", { class: "row" },
        field({ label: "First slot", id: "f-start" }, input(form, "start", { type: "number", min: 0, max: 1023 })),
        field({ label: "Last slot", id: "f-end" }, input(form, "end", { type: "number", min: 0, max: 1023 })),
        field({ label: "To", id: "f-group" }, select(form, "group", (store.data.groups ?? []).map((g) => ({ value: g.id, label: `Group ${g.id}` }))))),
    ],
    async run({ values }) {
      const request = values.how === "auto" ? { auto: true } : { start: Number(values.start), end: Number(values.end), group: Number(values.group) };
      return finished("The slots have their groups.", await post("/slots/assign", request));
    },
  });
}

// findLost looks at all keys of all servers for those that are where they do not
// belong, and offers to tidy up.
export function findLost() {
  openDialog({
    title: "Look for misplaced keys",
    values: {},
    submit: (form) => (form.found ? "Tidy up" : "Look"),
    ready: (form) => !form.found || form.found.length > 0,
    body: (form) => [
      h("ul", { class: "consequences" },
        h("li", {}, "Every key of every master is looked at, which takes a while and some of the servers' time. Nothing is changed by looking."),
        h("li", {}, "Tidying up deletes what moves have left behind.")),
      form.found && findings(form.found),
      form.found?.length > 0 && checkbox(form, "orphans", "Also delete keys on groups that do not own their slot",
        "No client can reach them there. What is deleted is gone: make sure that they are not the only copies of what you miss."),
    ],
    async run(form) {
      if (!form.found) {
        form.found = await get("/fsck");
        return null;
      }
      const rows = await post("/fsck/repair", { orphans: Boolean(form.values.orphans) });
      return { body: findings(rows) };
    },
  });
}

const findings = (rows) => (rows.length === 0
  ? callout("ok", h("p", {}, "Every key is where it belongs."))
  : h("ul", { class: "checks" }, rows.map((row) => h("li", {}, lamp("warning", `${row.group ? `Group ${row.group}: ` : ""}${row.text}`)))));

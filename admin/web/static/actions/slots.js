// Giving out slots that no group has.

import { post } from "../api.js";
import { finished, input, openDialog, select } from "../dialog.js";
import { h } from "../dom.js";
import { store } from "../store.js";
import { callout, choice, field } from "../ui.js";

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

// Changing settings of the cluster.

import { edit, Problem } from "../api.js";
import { finished, input, openDialog, select } from "../dialog.js";
import { h } from "../dom.js";
import { toast } from "../toast.js";
import { redraw } from "../store.js";
import { callout, field } from "../ui.js";

// setReads says which servers answer reads; it takes effect at once, and back.
export async function setReads(value) {
  try {
    await edit("/settings", { "read-from": value });
    toast(value === "master" ? "Masters answer all reads." : value === "replica" ? "Replicas answer reads." : "The nearest server answers reads.");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    toast(`${problem.message} ${problem.hint}`, "alarm");
  }
  redraw();
}

// editSetting asks for a new value.
export function editSetting(row) {
  const fallback = row.default === "" ? "empty" : row.default;
  openDialog({
    title: row.name, submit: "Save",
    values: { value: row.secret ? "" : row.value },
    body: (form) => [
      h("p", {}, `${row.help[0].toUpperCase()}${row.help.slice(1)}.`),
      field({ label: "Value", id: "f-value", help: row.secret ? "What it is now is never shown. Empty: none." : `Default: ${fallback}` }, control(form, row)),
      callout("notice", h("p", {}, "It takes effect on all nodes at once.")),
    ],
    async run({ values }) {
      const value = String(values.value ?? "");
      return finished(row.secret ? "The new value is set." : `${row.name} is ${value === "" ? "empty" : value} now.`, await edit("/settings", { [row.name]: value }));
    },
  });
}

function control(form, row) {
  const choices = row.choices?.length ? row.choices : row.kind === "yes/no" ? ["yes", "no"] : null;
  if (choices) return select(form, "value", choices.map((value) => ({ value, label: value })), { autofocus: true, "aria-describedby": "f-value-help" });
  return input(form, "value", { type: row.secret ? "password" : "text", autocomplete: row.secret ? "new-password" : "off", autofocus: true, help: true, spellcheck: "false" });
}

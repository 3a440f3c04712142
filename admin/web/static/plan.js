// Moves of slots: every one is shown as a plan first, then becomes a job.

import { post } from "./api.js";
import { checkbox, closeDialog, finished, input, openDialog, select } from "./dialog.js";
import { h } from "./dom.js";
import { bytes, count, plural } from "./format.js";
import { store } from "./store.js";
import { bar, callout, choice, field, groupChip, lamp } from "./ui.js";

const groupOptions = () => (store.data.groups ?? []).map((g) => ({ value: g.id, label: `Group ${g.id} (${plural(g.slots, "slot")})` }));

// otherGroup is one that is not the given one, for a first choice.
const otherGroup = (id) => (store.data.groups ?? []).find((g) => g.id !== id)?.id ?? "";

// moveRange asks where slots are to go.
export function moveRange({ start, end, owner }) {
  planDialog({
    title: "Move a range of slots",
    values: { start, end, group: otherGroup(owner) },
    path: "/migrations",
    body: (form) => [
      h("div", { class: "row" },
        field({ label: "First slot", id: "f-start" }, input(form, "start", { type: "number", min: 0, max: 1023, required: true })),
        field({ label: "Last slot", id: "f-end" }, input(form, "end", { type: "number", min: 0, max: 1023, required: true }))),
      field({ label: "To", id: "f-group" }, select(form, "group", groupOptions(), { autofocus: true })),
    ],
    request: ({ values }) => ({ start: Number(values.start), end: Number(values.end), group: Number(values.group) }),
  });
}

// moveCount asks how many slots are to go from one group to another.
export function moveCount({ from } = {}) {
  const owner = from ?? store.data.groups?.find((g) => g.slots > 0)?.id;
  const has = store.data.groups?.find((g) => g.id === owner)?.slots ?? 0;
  planDialog({
    title: "Move slots between groups",
    values: { from: owner, to: otherGroup(owner), count: from ? has : Math.min(16, has) },
    path: "/migrations",
    body: (form) => [
      h("div", { class: "row" },
        field({ label: "From", id: "f-from" }, select(form, "from", groupOptions())),
        field({ label: "To", id: "f-to" }, select(form, "to", groupOptions()))),
      field({ label: "How many slots", id: "f-count" }, input(form, "count", { type: "number", min: 1, max: 1024, required: true, autofocus: true })),
    ],
    request: ({ values }) => ({ from: Number(values.from), to: Number(values.to), count: Number(values.count) }),
  });
}

// rebalance asks by what the groups are to have their shares.
export function rebalance() {
  const groups = store.data.groups ?? [];
  planDialog({
    title: "Rebalance",
    values: { by: "slots", ...Object.fromEntries(groups.map((g) => [`weight-${g.id}`, "1"])) },
    path: "/rebalance",
    body: (form) => [
      choice({
        legend: "Share out by", name: "by", value: form.values.by, pick: (by) => form.set({ by, plan: null }),
        options: [{ value: "slots", label: "Slots" }, { value: "keys", label: "Keys" }, { value: "memory", label: "Memory" }],
      }),
      h("fieldset", {}, h("legend", {}, "Weights"),
        h("p", { class: "note" }, "A group with twice the weight gets twice the share. Weight 0 empties a group."),
        h("div", { class: "row" }, groups.map((g) =>
          field({ label: `Group ${g.id}`, id: `f-weight-${g.id}` }, input(form, `weight-${g.id}`, { type: "number", min: 0, step: 1 }))))),
    ],
    request: ({ values }) => ({
      by: values.by,
      weights: Object.fromEntries(groups.filter((g) => Number(values[`weight-${g.id}`]) !== 1).map((g) => [String(g.id), Number(values[`weight-${g.id}`])])),
    }),
  });
}

// planDialog is a form, then the plan that the node makes of it, then the job.
function planDialog({ title, values, path, body, request }) {
  const asked = (form) => JSON.stringify(whole(form));
  const whole = (form) => ({
    ...request(form),
    consent: Boolean(form.values.consent),
    keys_per_second: Number(form.values.keys) || 0,
    bytes_per_second: Math.round((Number(form.values.mb) || 0) * 1024 * 1024),
  });
  const planned = (form) => form.plan && form.planFor === asked(form);
  openDialog({
    title, values,
    body: (form) => [
      body(form),
      h("details", { class: "more" }, h("summary", {}, "Speed and checks"),
        h("div", { class: "row" },
          field({ label: "Keys a second, at most", id: "f-keys", help: "Empty: as fast as the servers take it." },
            input(form, "keys", { type: "number", min: 0, help: true })),
          field({ label: "MB a second, at most", id: "f-mb" }, input(form, "mb", { type: "number", min: 0, step: "any" }))),
        checkbox(form, "consent", "Go on although keys of these slots are at the target already",
          "They are taken for older copies and are overwritten by those of the present owner.")),
      planned(form) && planView(form.plan, form.values.by),
    ],
    submit: (form) => (planned(form) ? `Move ${plural(form.plan.slots, "slot")}` : "Show the plan"),
    ready: (form) => !planned(form) || (form.plan.ready && form.plan.slots > 0),
    async run(form) {
      if (!planned(form)) {
        form.planFor = asked(form);
        form.plan = await post(path, { ...whole(form), dry_run: true });
        return null;
      }
      const answer = await post(path, whole(form));
      if (!answer.job) return finished(answer.note ?? "Nothing has to move.", answer);
      return finished(`Job ${answer.job} has begun. Clients go on while it runs.`, answer,
        h("a", { class: "button", href: `#/jobs/${answer.job}`, on: { click: closeDialog } }, "Watch the job"));
    },
  });
}

// planView draws a plan: shares before and after, moves, and what was checked; by
// is what is shared out.
function planView(plan, by) {
  if (plan.slots === 0) return callout("ok", h("p", {}, "Nothing has to move: the shares are right as they are."));
  const bad = plan.checks.filter((check) => check.result !== "ok");
  return h("section", { class: "plan", "aria-labelledby": "plan-title", role: "group" },
    h("h3", { id: "plan-title" }, `The plan: ${plural(plan.slots, "slot")} in ${plural(plan.moves.length, "move")}`),
    shares(plan.groups, { keys: count, memory: bytes }[by]),
    h("ul", { class: "moves" }, plan.moves.slice(0, 12).map((move) =>
      h("li", {}, `${move.start}–${move.end} `, groupChip(move.from), h("span", { class: "note" }, " to "), groupChip(move.to)))),
    plan.moves.length > 12 && h("p", { class: "note" }, `and ${plural(plan.moves.length - 12, "more move")}.`),
    h("h3", {}, "Checks"),
    bad.length === 0
      ? callout("ok", h("p", {}, `All ${plan.checks.length} checks passed.`))
      : h("ul", { class: "checks" }, bad.map((check) => h("li", {}, lamp(check.result === "fail" ? "alarm" : "warning", check.text)))),
    !plan.ready && h("p", { class: "strong" }, "No job is made while a check fails."));
}

function shares(groups, loadText) {
  const loads = loadText && groups.some((g) => g.load_now !== null && g.load_now !== undefined);
  const size = (g, time) => (loads ? g[`load_${time}`] ?? 0 : g[`slots_${time}`]);
  const most = Math.max(1, ...groups.flatMap((g) => [size(g, "now"), size(g, "then")]));
  const text = (g, time) => plural(g[`slots_${time}`], "slot") + (loads ? `, ${loadText(g[`load_${time}`])}` : "");
  return h("dl", { class: "shares" }, groups.map((g) => [
    h("dt", {}, groupChip(g.id)),
    h("dd", {}, h("span", { class: "word" }, "now"), bar(size(g, "now") / most, "before"), h("span", { class: "number" }, text(g, "now"))),
    h("dd", {}, h("span", { class: "word" }, "then"), bar(size(g, "then") / most, "after"), h("span", { class: "number" }, text(g, "then"))),
  ]));
}

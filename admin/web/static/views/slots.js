// Slots: all 1024 on one map, what each is, and moving them.

import { get, Problem } from "../api.js";
import { assignSlots, findLost } from "../actions/slots.js";
import { h } from "../dom.js";
import { count, dash, plural, range } from "../format.js";
import { icon } from "../icons.js";
import { moveCount, moveRange, rebalance } from "../plan.js";
import { choose, forget, selection, slotMap } from "../slotmap.js";
import { redraw, store } from "../store.js";
import { button, callout, card, empty, groupChip, lamp, page, table, withData } from "../ui.js";

let looked = null;

export const slots = {
  title: "Slots",
  needs: ["slots", "groups"],
  render: () => page({
    title: "Slots", lead: "A key belongs to one of 1,024 slots, a slot to one group of servers.",
    actions: [
      button("Move slots…", { click: () => moveCount(), name: "arrow", disabled: !several() }),
      button("Rebalance…", { click: rebalance, kind: "primary", disabled: !several() }),
    ],
  }, withData(["slots", "groups"], draw)),
};

const several = () => (store.data.groups?.length ?? 0) > 1;

function draw(answer, groups) {
  if (groups.length === 0) {
    return empty({ name: "slots", title: "No slot has a group yet", text: "Add a group of redis-servers first; then give it the slots." },
      h("a", { class: "button primary", href: "#/groups" }, "Go to Groups"));
  }
  const cells = spread(answer.ranges);
  const free = cells.filter((cell) => !cell.group).length;
  return [
    free > 0 && callout("warning",
      h("p", {}, `${plural(free, "slot")} ${free === 1 ? "has" : "have"} no group: requests for their keys fail.`),
      button("Assign them…", { click: assignSlots })),
    h("section", { class: "card", "aria-labelledby": "map-title", key: "map" },
      h("div", { class: "card-head" },
        h("div", {}, h("h2", { id: "map-title" }, "Map"), h("p", { class: "note" }, "Click or use the arrow keys; hold Shift to select a range.")),
        legend(groups, cells)),
      slotMap(cells),
      chosen(cells)),
    lookup(),
    list(answer.ranges),
  ];
}

// spread makes one cell a slot of the merged ranges.
function spread(ranges) {
  const cells = new Array(1024);
  for (const r of ranges) {
    for (let slot = r.start; slot <= r.end; slot++) cells[slot] = { ...r, slot };
  }
  return cells;
}

// named is how many groups the legend has room for.
const named = 16;

function legend(groups, cells) {
  const moving = cells.filter((cell) => cell.target).length;
  return h("ul", { class: "legend", "aria-label": "Legend" },
    groups.slice(0, named).map((g) => h("li", { key: g.id }, groupChip(g.id, count(g.slots)))),
    groups.length > named && h("li", { key: "more" }, h("span", { class: "note" }, `and ${groups.length - named} more; numbers on the map name them`)),
    moving > 0 && h("li", { key: "moving" }, h("span", { class: "chip" }, h("span", { class: "swatch moving", "aria-hidden": "true" }), "On the move", h("span", { class: "note" }, count(moving)))));
}

// chosen tells what is under the focus or the pointer, and what can be done with
// what is selected.
function chosen(cells) {
  const { start, end, seen } = selection();
  const cell = cells[seen];
  const selected = end - start + 1;
  return h("div", { class: "map-foot" },
    h("p", { class: "slot-detail", id: "slot-detail" },
      h("strong", {}, `Slot ${cell.slot}`), groupChip(cell.group),
      cell.target && [h("span", { class: "note" }, "to"), groupChip(cell.target)],
      h("span", { class: "note" }, `${cell.phase}${cell.master ? `, master ${cell.master}` : ""}`),
      cell.job && h("a", { href: `#/jobs/${cell.job}` }, `job ${cell.job}`)),
    h("div", { class: "actions" },
      // The cell under the focus is read out by itself; a range is not.
      h("span", { "aria-live": selected > 1 ? "polite" : "off" }, selected > 1 ? `${plural(selected, "slot")} selected: ${start}–${end}` : `Slot ${start} selected`),
      selected > 1 && button("Clear", { click: forget, kind: "quiet" }),
      button("Move range…", { click: () => moveRange({ start, end, owner: cells[start].group }), name: "arrow", disabled: !several() })));
}

function lookup() {
  return card({ title: "Where is a key?" },
    h("form", { class: "inline-form", on: { submit: find } },
      h("label", { for: "key", class: "visually-hidden" }, "Key"),
      h("input", { id: "key", name: "key", type: "text", placeholder: "user:{42}:name", autocomplete: "off", spellcheck: "false" }),
      button("Look up", { type: "submit" })),
    h("p", { class: "note" }, "Keys may also lie where no client finds them. ", h("button", { type: "button", class: "link", on: { click: findLost } }, "Look for misplaced keys")),
    h("div", { role: "status" }, looked instanceof Problem
      ? lamp("alarm", looked.message)
      : looked && h("p", { class: "slot-detail" }, h("code", {}, looked.key), icon("arrow"), `slot ${looked.slot}`, groupChip(looked.group),
        h("span", { class: "note" }, looked.master ?? dash))));
}

async function find(event) {
  event.preventDefault();
  try {
    [looked] = await get(`/slots/lookup?key=${encodeURIComponent(event.target.elements.key.value)}`);
    choose(looked.slot);
  } catch (problem) {
    looked = problem;
  }
  redraw();
}

function list(ranges) {
  return card({ title: "Ranges", note: "The same, as a table." }, table({
    caption: "Ranges of slots with one owner", rows: ranges, id: (r) => r.start,
    columns: [
      { label: "Slots", cell: (r) => range(r.start, r.end).replace(/^slots? /, "") },
      { label: "How many", numeric: true, cell: (r) => count(r.end - r.start + 1) },
      { label: "Group", cell: (r) => groupChip(r.group) },
      { label: "Phase", cell: (r) => (r.target ? lamp("busy", r.phase) : r.phase) },
      { label: "Target", cell: (r) => (r.target ? groupChip(r.target) : dash) },
      { label: "Master", cell: (r) => h("code", {}, r.master ?? dash) },
    ],
  }));
}

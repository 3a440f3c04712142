// The map of all slots: a grid with one tab stop. Arrow keys walk, Shift with them
// or with a click selects a range; colour, pattern and the group's number tell the
// owner, stripes in the target's colour tell a move.

import { h } from "./dom.js";
import { redraw } from "./store.js";
import { groupClass } from "./ui.js";

const slots = 1024;
const wide = matchMedia("(min-width: 60rem)");
wide.addEventListener("change", redraw);

// The selection goes from the anchor to the slot that has the focus.
let anchor = 0;
let at = 0;
let hovered = null;

// selection is the chosen range and the slot that is looked at.
export function selection() {
  return { start: Math.min(anchor, at), end: Math.max(anchor, at), seen: hovered ?? at };
}

// choose selects one slot.
export function choose(slot) {
  anchor = at = slot;
  redraw();
}

// forget leaves only the slot with the focus selected.
export function forget() {
  anchor = at;
  redraw();
}

// slotMap describes the map; cells are by slot: group, target, phase.
export function slotMap(cells) {
  const columns = wide.matches ? 64 : 32;
  const { start, end } = selection();
  const rows = Array.from({ length: slots / columns }, (_, row) => row * columns);
  return h("div", {
    class: "slot-map", role: "grid", "aria-label": "Slots 0 to 1023", "aria-multiselectable": "true", "aria-describedby": "slot-detail",
    style: { "--columns": String(columns) }, key: `map-${columns}`,
    on: { keydown: (event) => walk(event, columns), click: pick, pointerover: hover, pointerleave: leave },
  }, rows.map((first) => h("div", { role: "row", class: "slot-row", key: first },
    cells.slice(first, first + columns).map((cell) => cellView(cell, {
      selected: end > start && cell.slot >= start && cell.slot <= end,
      named: cell.slot === first || cells[cell.slot - 1].group !== cell.group,
    })))));
}

function cellView(cell, { selected, named }) {
  const moving = Boolean(cell.target);
  return h("div", {
    role: "gridcell", key: cell.slot, id: `slot-${cell.slot}`, "data-slot": cell.slot,
    class: `slot ${groupClass(cell.group)}${moving ? ` moving to-${((cell.target - 1) % 8) + 1}` : ""}${selected ? " selected" : ""}`,
    tabindex: cell.slot === at ? "0" : "-1", "aria-selected": selected || cell.slot === at ? "true" : "false",
    "aria-label": `Slot ${cell.slot}, ${cell.group ? `group ${cell.group}` : "no group"}${moving ? `, ${cell.phase}, moving to group ${cell.target}` : ""}`,
  }, named && cell.group ? h("span", { class: "number", "aria-hidden": "true" }, cell.group) : null);
}

const steps = (columns) => ({
  ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -4 * columns, PageDown: 4 * columns,
});

function walk(event, columns) {
  const step = steps(columns)[event.key];
  let to = at + (step ?? 0);
  if (event.key === "Home") to = event.ctrlKey ? 0 : at - (at % columns);
  else if (event.key === "End") to = event.ctrlKey ? slots - 1 : at - (at % columns) + columns - 1;
  else if (event.key === "Escape") return forget();
  else if (step === undefined) return;
  event.preventDefault();
  go(to, event.shiftKey);
}

function go(slot, extend) {
  if (slot < 0 || slot >= slots) return;
  at = slot;
  if (!extend) anchor = slot;
  hovered = null;
  redraw();
  document.getElementById(`slot-${slot}`)?.focus({ preventScroll: false });
}

const slotOf = (event) => {
  const cell = event.target.closest("[data-slot]");
  return cell ? Number(cell.dataset.slot) : null;
};

function pick(event) {
  const slot = slotOf(event);
  if (slot !== null) go(slot, event.shiftKey);
}

function hover(event) {
  const slot = slotOf(event);
  if (slot === null || slot === hovered) return;
  hovered = slot;
  redraw();
}

function leave() {
  hovered = null;
  redraw();
}

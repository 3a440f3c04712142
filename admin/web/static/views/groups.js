// Groups: the redis-servers, how they are, and what can be done with them.

import { addGroup, attachServer, deleteGroup, detachServer, promoteServer, replaceMaster, setAuth, setZone } from "../actions/groups.js";
import { setReads } from "../actions/settings.js";
import { h } from "../dom.js";
import { brief, bytes, count, dash, plural, span } from "../format.js";
import { icon } from "../icons.js";
import { moveCount } from "../plan.js";
import { setting } from "../store.js";
import { button, callout, card, choice, empty, Filter, groupClass, lamp, page, table, withData } from "../ui.js";

export const groups = {
  title: "Groups",
  needs: ["groups", "settings"],
  enter: () => filter.reset(),
  render: () => page({
    title: "Groups", lead: "A group is a master and its replicas. Each slot belongs to one group.",
    actions: button("Add group…", { click: addGroup, kind: "primary", name: "plus" }),
  }, withData(["groups"], (list) => (list.length === 0
    ? empty({ name: "groups", title: "There are no groups yet", text: "A group needs one redis-server; two or more survive the loss of one." },
      button("Add the first group…", { click: addGroup, kind: "primary" }))
    : draw(list)))),
};

// few groups are seen at a glance.
const few = 6;
const filter = new Filter();

function draw(list) {
  const shown = filter.keep(list, (g) => [`group ${g.id}`, g.failover?.why, ...g.servers.flatMap((s) => [s.addr, s.state, s.zone])].join(" "));
  return [reads(), list.length > few && filter.box(shown, list, "groups"), shown.map((g) => group(g, list))];
}

const known = (value) => value !== null && value !== undefined;

function reads() {
  const value = setting("read-from");
  if (value === undefined) return null;
  return h("div", { class: "strip", key: "reads" },
    choice({
      legend: "Reads are answered by", name: "reads", value, pick: setReads,
      options: [{ value: "master", label: "Masters only" }, { value: "replica", label: "Replicas" }, { value: "nearest", label: "Nearest" }],
    }),
    h("p", { class: "note" }, value === "master"
      ? "Replicas serve nothing but failover."
      : "A replica may be behind its master: a read may miss the latest writes."));
}

function group(g, all) {
  const spare = all.length > 1;
  return card({
    title: `Group ${g.id}`, id: `group-${g.id}`, kind: "group",
    note: h("span", { class: "summary" }, h("span", { class: `swatch ${groupClass(g.id)}`, "aria-hidden": "true" }),
      [plural(g.slots, "slot"), known(g.keys) && `${brief(g.keys)} ${g.keys === 1 ? "key" : "keys"}`, known(g.memory_bytes) && bytes(g.memory_bytes)].filter(Boolean).join(", ")),
    actions: [
      button("Attach server…", { click: () => attachServer(g), of: `to group ${g.id}` }),
      g.slots > 0 && button("Move slots…", { click: () => moveCount({ from: g.id }), disabled: !spare, of: `from group ${g.id}` }),
      button("Password…", { click: () => setAuth(g), kind: "quiet", of: `of group ${g.id}` }),
      button("Delete…", { click: () => deleteGroup(g), kind: "quiet", of: `group ${g.id}` }),
    ],
  },
  g.turn && callout("warning", h("p", {}, `${turns[g.turn.kind] ?? g.turn.kind} under way: ${g.turn.from} gives way to ${g.turn.to}. Requests for this group wait.`),
    g.turn.reason && h("p", { class: "note" }, g.turn.reason)),
  failover(g), servers(g), troubles(g));
}

// troubles tells why servers can't be used.
function troubles(g) {
  return g.servers.filter((s) => s.error).map((s) => h("div", { class: "callout alarm", key: `trouble-${s.addr}` },
    icon("alarm"), h("div", {}, h("p", {}, s.error.includes(s.addr) ? s.error : `${s.addr}: ${s.error}`))));
}

const turns = { failover: "Failover", switchover: "Switchover", replace: "Replacement of a dead master" };

function failover(g) {
  if (!g.failover) return null;
  return h("p", { class: "failover" }, lamp(g.failover.possible ? "ok" : "warning", g.failover.possible ? "Would fail over" : "Would not fail over"),
    g.failover.why && h("span", { class: "note" }, g.failover.why));
}

const states = {
  up: ["ok", "Up"], syncing: ["warning", "Copying"], busy: ["warning", "Busy with a script"], suspect: ["warning", "Suspect"], loading: ["warning", "Loading"], down: ["alarm", "Down"],
  denied: ["alarm", "Password refused"], unknown: ["idle", "Not seen yet"],
};

function servers(g) {
  return table({
    caption: `Servers of group ${g.id}`, rows: g.servers, id: (s) => s.addr, kind: "servers",
    columns: [
      { label: "Server", wide: true, cell: (s) => h("code", {}, s.addr) },
      { label: "Role", cell: (s) => (s.role === "master" ? h("strong", {}, "master") : s.role) },
      { label: "State", cell: state },
      { label: "Link", cell: (s) => (s.role === "master" || !s.link ? dash : lamp(s.link === "up" ? "ok" : "alarm", s.link)) },
      { label: "Lag", numeric: true, cell: (s) => (s.role === "master" ? dash : bytes(s.lag_bytes)) },
      { label: "Offset", numeric: true, cell: (s) => count(s.offset) },
      { label: "Memory", numeric: true, cell: (s) => bytes(s.memory_bytes) },
      { label: "Keys", numeric: true, cell: (s) => brief(s.keys) },
      { label: "Version", cell: (s) => s.version || dash },
      { label: "Zone", cell: (s) => h("button", { type: "button", class: "link", "aria-label": `Zone of ${s.addr}: ${s.zone || "none"}. Change it`, on: { click: () => setZone(g, s) } }, s.zone || "none") },
      { label: "Actions", silent: true, cell: (s) => serverActions(g, s) },
    ],
  });
}

function state(s) {
  const [level, words] = states[s.state] ?? ["idle", s.state ?? dash];
  return [lamp(level, words), s.sync_bytes !== null && h("span", { class: "note block" }, copied(s)), s.state !== "up" && s.age_ms > 2_000 && h("span", { class: "note block" }, `seen ${span(s.age_ms / 1000)} ago`)];
}

// copied is how far a replica is with its master's data; a copy that is not written to a
// file has no known size.
function copied(s) {
  return s.sync_total_bytes === null ? bytes(s.sync_bytes) : `${bytes(s.sync_bytes)} of ${bytes(s.sync_total_bytes)}`;
}

function serverActions(g, s) {
  if (s.role === "master") return s.state === "up" ? null : button("Replace…", { click: () => replaceMaster(g), kind: "quiet", of: s.addr });
  return [
    button("Promote…", { click: () => promoteServer(g, s), of: s.addr }),
    button("Detach…", { click: () => detachServer(g, s), kind: "quiet", of: s.addr }),
  ];
}

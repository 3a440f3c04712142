// Overview: is all well, and if not, what to do; figures and their last hour.

import { h } from "../dom.js";
import { chart } from "../charts.js";
import { brief, bytes, count, dash, micros, plural } from "../format.js";
import { card, callout, choice, lamp, page, tile, withData } from "../ui.js";
import { redraw, store } from "../store.js";

let scope = "cluster";

const healths = {
  ok: ["ok", "All slots are served"],
  degraded: ["warning", "Something needs attention"],
  down: ["alarm", "No key is served"],
};

// levels are those of the node's warnings, the worst first.
const levels = { alarm: "alarm", down: "alarm", warning: "warning", degraded: "warning", notice: "notice" };

export const overview = {
  title: "Overview",
  needs: ["overview", "groups"],
  render: () => page({ title: "Overview" },
    withData(["overview"], (o) => [warnings(o), figures(o), charts(), facts(o)])),
};

function warnings(o) {
  const [level, words] = healths[o.health] ?? ["idle", o.health];
  const fresh = store.data.groups?.length === 0;
  // A cluster without groups is told what to do next instead of what it lacks.
  const urgent = o.warnings.filter((w) => w.level !== "notice" && !(fresh && w.code === "slots-unassigned"));
  const notices = o.warnings.filter((w) => w.level === "notice");
  return h("section", { class: "health", "aria-label": "Health", key: "health" },
    h("p", { class: `headline ${level}` }, lamp(level, words)),
    fresh && callout("notice",
      h("p", { class: "strong" }, "There are no servers yet."),
      h("p", {}, "Add the first group of redis-servers, then give it the slots. ", h("a", { href: "#/groups" }, "Go to Groups"))),
    urgent.map((w) => warning(w)),
    notices.length > 0 && h("details", { class: "more" },
      h("summary", {}, plural(notices.length, "notice")), notices.map((w) => warning(w))));
}

const warning = (w) => h("div", { key: w.code + w.text }, callout(levels[w.level] ?? "warning", h("p", {}, w.text)));

function figures(o) {
  // Without a leader nobody knows the sums.
  const t = o.totals ?? {};
  return h("dl", { class: "tiles", key: "tiles" },
    tile("Ops a second", brief(t.ops_per_second)),
    tile("Latency p50", micros(t.p50_us)),
    tile("Latency p99", micros(t.p99_us)),
    tile("Errors a second", brief(t.errors_per_second)),
    tile("Clients", count(t.clients)),
    tile("Memory", bytes(t.memory_bytes)),
    t.keys !== undefined && t.keys !== null && tile("Keys", brief(t.keys)));
}

// Steps of the axes: whole numbers, and for sizes powers of two.
const tens = [1, 2, 5].flatMap((n) => Array.from({ length: 10 }, (_, power) => n * 10 ** power)).sort((a, b) => a - b);
const twos = Array.from({ length: 40 }, (_, power) => 1024 * 2 ** power);

const charted = [
  { id: "ops", title: "Operations a second", format: brief, steps: tens, lines: [["ops_per_second", "Operations"]] },
  { id: "latency", title: "Latency", format: micros, steps: tens, lines: [["p50_us", "p50"], ["p99_us", "p99"]] },
  { id: "clients", title: "Clients", format: count, steps: tens, lines: [["clients", "Clients"]] },
  { id: "memory", title: "Memory", format: bytes, steps: twos, lines: [["memory_bytes", "Memory"]] },
  { id: "errors", title: "Errors a second", format: brief, steps: tens, lines: [["errors_per_second", "Errors"]] },
];

function charts() {
  const both = Boolean(store.series?.cluster);
  const shown = both ? scope : "node";
  return card({
    title: "The last hour", id: "charts",
    actions: both && choice({
      legend: "Figures of", name: "scope", value: shown,
      options: [{ value: "cluster", label: "All nodes" }, { value: "node", label: "This node" }],
      pick: (value) => {
        scope = value;
        redraw();
      },
    }),
  }, h("div", { class: "charts" }, charted.map((spec) => chart({ ...spec, scope: shown }))));
}

function facts(o) {
  const c = o.counts;
  const leader = o.leader_id ?? dash;
  return card({ title: "Cluster" },
    h("dl", { class: "facts" },
      fact("Cluster", h("code", {}, o.cluster_id || dash), "wide"),
      fact("Leader", o.leader_id && o.leader_id !== o.node_id && o.leader_http
        ? h("a", { href: `//${o.leader_http}/`, rel: "noreferrer" }, leader) : leader),
      fact("This node", o.node_id),
      fact("Epoch", count(o.epoch)),
      fact("Nodes", `${count(c.nodes)}, of which ${plural(c.voters, "votes", "vote")}`),
      fact("Groups", `${count(c.groups)} with ${plural(c.servers, "server")}`),
      fact("Slots with a group", `${count(c.slots_assigned)} of 1,024`),
      fact("Slots on the move", count(c.slots_moving)),
      fact("Jobs running", count(c.jobs_running)),
      fact("Version", o.version)));
}

const fact = (label, value, kind) => h("div", { class: kind }, h("dt", {}, label), h("dd", {}, value));

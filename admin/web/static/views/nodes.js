// Nodes: the proxies of this cluster, who leads, who serves.

import { post, remove, segment } from "../api.js";
import { checkbox, finished, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { brief, bytes, count, dash, micros, millis, span } from "../format.js";
import { button, callout, lamp, page, table, withData } from "../ui.js";

export const nodes = {
  title: "Nodes",
  needs: ["nodes"],
  render: () => page({ title: "Nodes", lead: "Any client can use any node. Up to five of them vote; one leads." },
    withData(["nodes"], (list) => h("section", { class: "card flush", "aria-label": "Nodes", key: "nodes" }, table({
      caption: "Nodes of the cluster", rows: list, id: (n) => n.id, columns,
    })))),
};

const columns = [
  { label: "Node", cell: name },
  { label: "Role", cell: (n) => (n.role === "leader" ? h("span", { class: "tag" }, "leader") : n.role) },
  { label: "State", cell: state },
  { label: "Clients connect to", wide: true, cell: (n) => h("code", {}, n.addr) },
  { label: "Lease left", numeric: true, cell: (n) => millis(n.lease_left_ms) },
  { label: "Ops/s", numeric: true, cell: (n) => brief(n.ops_per_second) },
  { label: "p99", numeric: true, cell: (n) => micros(n.p99_us) },
  { label: "Clients", numeric: true, cell: (n) => count(n.clients) },
  { label: "Memory", numeric: true, cell: (n) => bytes(n.memory_bytes) },
  { label: "Up for", numeric: true, cell: (n) => span(n.uptime_s) },
  { label: "Zone", cell: (n) => n.zone || dash },
  { label: "Version", wide: true, cell: (n) => n.version || dash },
  { label: "Actions", silent: true, cell: actions },
];

// name leads to the node's own page.
function name(n) {
  if (n.self || !n.http_addr) return [h("strong", {}, n.id), n.self && h("span", { class: "note block" }, "this one")];
  return h("a", { class: "strong", href: `//${n.http_addr}/`, rel: "noreferrer", title: `Open the page of ${n.id}` }, n.id);
}

function state(n) {
  if (n.up === false) return lamp("alarm", "Does not answer");
  if (n.ready === false) return lamp("warning", "Not ready");
  if (n.ready === true) return lamp("ok", "Ready");
  return n.up ? lamp("ok", "Up") : lamp("idle", "Not known");
}

function actions(n) {
  return [
    n.voter && n.role !== "leader" && button("Make leader…", { click: () => transfer(n), of: n.id }),
    button("Remove…", { click: () => removeNode(n), kind: "quiet", of: n.id }),
  ];
}

function transfer(n) {
  openDialog({
    title: `Make ${n.id} the leader`, submit: "Hand over",
    body: () => h("ul", { class: "consequences" },
      h("li", {}, `Leadership goes to ${n.id}. Requests of clients are not held up.`),
      h("li", {}, "Jobs go on under the new leader.")),
    run: async () => finished(`${n.id} leads.`, await post(`/nodes/${segment(n.id)}/transfer`)),
  });
}

function removeNode(n) {
  openDialog({
    title: `Remove node ${n.id}`, danger: true, submit: "Remove",
    body: (form) => [
      h("ul", { class: "consequences" },
        h("li", {}, "The node is no longer a member; it stops serving when its lease ends. Clients have to use another one."),
        h("li", {}, "No keys are touched. To come back the node needs an empty directory.")),
      n.up !== false && callout("warning", h("p", {}, "This node answers. Stop it first, or remove it by force.")),
      checkbox(form, "force", "Remove it although it runs or was not heard to stop",
        "Waits until its lease is over, so that it can't serve beside the others."),
    ],
    run: async ({ values }) => finished(`${n.id} is removed.`, await remove(`/nodes/${segment(n.id)}${values.force ? "?force=true" : ""}`)),
  });
}

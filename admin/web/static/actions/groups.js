// What can be done with groups and their servers. Every dialog says first what
// will happen and what may be lost.

import { post, put, remove, segment } from "../api.js";
import { checkbox, finished, input, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { millis, plural, bytes } from "../format.js";
import { store } from "../store.js";
import { callout, field } from "../ui.js";

// happens draws what will happen, and what it may cost.
const happens = (lines, loss) => [
  h("ul", { class: "consequences" }, lines.filter(Boolean).map((line) => h("li", {}, line))),
  loss && callout("warning", h("p", {}, loss)),
];

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

export function addGroup() {
  const taken = new Set((store.data.groups ?? []).map((g) => g.id));
  let next = 1;
  while (taken.has(next)) next++;
  openDialog({
    title: "Add a group",
    values: { id: next, servers: "" },
    submit: "Add group",
    ready: ({ values }) => words(values.servers).length > 0,
    body: (form) => [
      happens(["Each server is inspected first; when one does not fit, nothing is changed.",
        "The first one is the master. The others are made its replicas: what they hold is replaced by its data."]),
      field({ label: "Number of the group", id: "f-id" }, input(form, "id", { type: "number", min: 1 })),
      field({ label: "Servers", id: "f-servers", help: "host:port of the master, then of its replicas, with spaces between." },
        input(form, "servers", { help: true, autofocus: true, placeholder: "10.0.0.1:6379 10.0.0.2:6379", spellcheck: "false" })),
      h("details", { class: "more" }, h("summary", {}, "Password, force"),
        field({ label: "User", id: "f-user", help: "Empty for the default user." }, input(form, "user", { help: true })),
        field({ label: "Password", id: "f-password", help: "Empty: the setting backend-password counts." },
          input(form, "password", { type: "password", help: true, autocomplete: "new-password" })),
        checkbox(form, "force", "Add it although a check says no", "For example servers that hold keys of other groups' slots.")),
    ],
    async run({ values }) {
      const request = { id: Number(values.id), servers: words(values.servers) };
      if (values.force) request.force = true;
      if (values.password) request.auth = { user: values.user ?? "", password: values.password };
      return finished(`Group ${values.id} is there. Give it slots by assigning free ones, or by rebalancing.`, await post("/groups", request));
    },
  });
}

export function deleteGroup(g) {
  openDialog({
    title: `Delete group ${g.id}`, danger: true, submit: "Delete group",
    ready: () => g.slots === 0,
    body: () => (g.slots > 0
      ? callout("warning", h("p", {}, `Group ${g.id} owns ${plural(g.slots, "slot")}. Move them to another group first.`))
      : happens([`The cluster forgets the group and its ${plural(g.servers.length, "server")}.`, "The servers keep running, with their data and their replication."])),
    run: async () => finished(`Group ${g.id} is gone.`, await remove(`/groups/${g.id}`)),
  });
}

export function setAuth(g) {
  openDialog({
    title: `Password of group ${g.id}`, submit: "Set password",
    values: { user: "", password: "" },
    body: (form) => [
      happens(["All nodes log in to the group's servers with it from now on.", "It is tried first; when no server of the group takes it, nothing is changed."]),
      field({ label: "User", id: "f-user", help: "Empty for the default user." }, input(form, "user", { help: true })),
      field({ label: "Password", id: "f-password", help: "Empty: the setting backend-password counts." },
        input(form, "password", { type: "password", help: true, autocomplete: "new-password", autofocus: true })),
    ],
    run: async ({ values }) => finished("The password is set.", await put(`/groups/${g.id}/auth`, { user: values.user, password: values.password })),
  });
}

export function attachServer(g) {
  openDialog({
    title: `Attach a server to group ${g.id}`, submit: "Attach",
    values: { addr: "" },
    ready: ({ values }) => values.addr.trim() !== "",
    body: (form) => [
      happens([`The server is made a replica of ${g.master} and copies its data.`, "Clients notice nothing."],
        "What the server holds now is replaced."),
      field({ label: "Server", id: "f-addr", help: "host:port" }, input(form, "addr", { help: true, autofocus: true, placeholder: "10.0.0.3:6379", spellcheck: "false" })),
      checkbox(form, "force", "Attach it although it holds keys"),
    ],
    run: async ({ values }) => finished(`${values.addr.trim()} belongs to group ${g.id}.`,
      await post(`/groups/${g.id}/servers`, { addr: values.addr.trim(), ...(values.force ? { force: true } : {}) })),
  });
}

export function detachServer(g, s) {
  const last = g.servers.length === 2 && g.slots > 0;
  openDialog({
    title: `Detach ${s.addr}`, danger: true, submit: "Detach",
    body: (form) => [
      happens(["The cluster forgets the server. It keeps running, still a replica, with its data."],
        last ? `Group ${g.id} will have no replica: when its master is lost, so are its keys.` : null),
      last && checkbox(form, "force", "Detach the last replica all the same"),
    ],
    run: async ({ values }) => finished(`${s.addr} is detached.`,
      await remove(`/groups/${g.id}/servers/${segment(s.addr)}${values.force ? "?force=true" : ""}`)),
  });
}

export function setZone(g, s) {
  openDialog({
    title: `Zone of ${s.addr}`, submit: "Set zone",
    values: { zone: s.zone ?? "" },
    body: (form) => [
      happens(["With reads from the nearest server, nodes prefer servers of their own zone."]),
      field({ label: "Zone", id: "f-zone" }, input(form, "zone", { autofocus: true })),
    ],
    run: async ({ values }) => finished("The zone is set.", await put(`/groups/${g.id}/servers/${segment(s.addr)}/zone`, { zone: values.zone.trim() })),
  });
}

export function promoteServer(g, s) {
  const master = g.servers.find((one) => one.role === "master");
  const dead = master?.state !== "up";
  openDialog({
    title: `Promote ${s.addr}`, submit: "Promote", danger: dead,
    body: (form) => [
      happens([
        `${s.addr} becomes the master of group ${g.id}; ${master?.addr ?? "the old master"} becomes its replica.`,
        `Requests for ${plural(g.slots, "slot")} wait meanwhile, for a fraction of a second as a rule.`,
        !dead && "The replica has every acknowledged write before it takes over: none is lost.",
      ], dead ? "The master does not answer. Writes that this replica has not received are lost." : null),
      h("details", { class: "more", prop: { open: dead } }, h("summary", {}, "Force"),
        checkbox(form, "force", "Promote it although a check says no", "What the master has and this replica has not is lost for good.")),
    ],
    run: async ({ values }) => turned(g, s.addr, await post(`/groups/${g.id}/promote`, { addr: s.addr, ...(values.force ? { force: true } : {}) })),
  });
}

// turned draws the end of a change of the master.
function turned(g, addr, { pause_ms: pause, lost_bytes: lost, notes }) {
  const parts = [`${addr} is the master of group ${g.id}. Requests waited ${millis(pause)}.`, lost > 0 && `At least ${bytes(lost)} of writes are lost.`];
  // The first note is the pause once more.
  return finished(parts.filter(Boolean).join(" "), { notes: notes.slice(1) });
}

export function replaceMaster(g) {
  openDialog({
    title: `Replace the master of group ${g.id}`, submit: "Replace", danger: true,
    values: { addr: "" },
    ready: ({ values }) => values.addr.trim() !== "" && values.sure,
    body: (form) => [
      happens([`The server takes the place of ${g.master}, with the keys that it has: none, or those of a backup.`,
        "Promote a replica instead if there is one that still has the data."],
      `Every key of the group's ${plural(g.slots, "slot")} that the new server has not is lost.`),
      field({ label: "Server", id: "f-addr", help: "host:port" }, input(form, "addr", { help: true, autofocus: true, placeholder: "10.0.0.3:6379", spellcheck: "false" })),
      checkbox(form, "sure", "The old master is gone for good, or I do without what it has"),
    ],
    run: async ({ values }) => turned(g, values.addr.trim(), await post(`/groups/${g.id}/replace`, { addr: values.addr.trim(), force: true })),
  });
}

// Several clusters in one page: a list of the addresses of their nodes' pages,
// kept in this browser. An entry is a link; this page asks other hosts nothing.

import { h } from "./dom.js";
import { closeDialog, input, openDialog } from "./dialog.js";
import { icon } from "./icons.js";
import { redraw, store } from "./store.js";
import { button, callout, field } from "./ui.js";

const key = "codis-clusters";

function read() {
  try {
    const list = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(list) ? list.filter((one) => typeof one?.name === "string" && safe(one.url)) : [];
  } catch {
    return [];
  }
}

function write(list) {
  try {
    localStorage.setItem(key, JSON.stringify(list));
  } catch {
    // Without storage the list can't be kept; the dialog shows it unchanged.
  }
  redraw();
}

// safe is an address as the page opens it, null when it can't be one: a link must
// never run a script.
function safe(text) {
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:/i.test(text) && text.includes("//") ? text : `http://${text}`);
    return ["http:", "https:"].includes(url.protocol) && !url.username ? url.origin + "/" : null;
  } catch {
    return null;
  }
}

// clusters draws where you are and where else you can go.
export function clusters() {
  const o = store.data.overview;
  const list = read();
  return h("details", { class: "switcher", key: "switcher" },
    h("summary", {}, h("span", { class: "visually-hidden" }, "Cluster "), h("span", { class: "strong" }, o?.node_id ?? "…"), h("span", { class: "note" }, location.host), icon("more")),
    h("div", { class: "popover" },
      h("p", { class: "note" }, "Other clusters"),
      list.length === 0 && h("p", {}, "None in the list yet."),
      h("ul", {}, list.map((one) => h("li", { key: one.url },
        h("a", { href: safe(one.url), rel: "noreferrer" }, one.name, h("span", { class: "note block" }, one.url)),
        h("button", { type: "button", class: "button quiet square", "aria-label": `Take ${one.name} off the list`, on: { click: () => write(read().filter((other) => other.url !== one.url)) } }, icon("close"))))),
      button("Add a cluster…", { click: add, name: "plus" })));
}

// others draws links to the other nodes of this cluster, for when this one is away.
clusters.others = () => {
  const list = (store.data.nodes ?? []).filter((n) => !n.self && n.http_addr).slice(0, 4);
  return list.length > 0 && h("p", {}, "Other nodes: ", list.map((n) => [h("a", { href: `//${n.http_addr}/`, rel: "noreferrer", key: n.id }, n.id), " "]));
};

function add() {
  openDialog({
    title: "Add a cluster", submit: "Add to the list",
    values: { name: "", url: "" },
    ready: ({ values }) => values.name.trim() !== "" && safe(values.url.trim()) !== null,
    body: (form) => [
      field({ label: "Name", id: "f-name" }, input(form, "name", { autofocus: true })),
      field({ label: "Address of a node's page", id: "f-url", help: "host:port, as in --http-addr" }, input(form, "url", { help: true, spellcheck: "false", placeholder: "10.0.0.1:39000" })),
      callout("notice", h("p", {}, "The list is kept in this browser only.")),
    ],
    async run({ values }) {
      const url = safe(values.url.trim());
      write([...read().filter((one) => one.url !== url), { name: values.name.trim(), url }]);
      closeDialog();
    },
  });
}

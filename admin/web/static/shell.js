// The frame around all views: where you are, how the cluster is, whether this
// page still hears its node.

import { h, patch } from "./dom.js";
import { span } from "./format.js";
import { brand, icon } from "./icons.js";
import { retry } from "./live.js";
import { change, store } from "./store.js";
import { theme, nextTheme } from "./theme.js";
import { clusters } from "./clusters.js";
import { button, lamp } from "./ui.js";

const entries = ["overview", "slots", "groups", "nodes", "jobs", "history", "settings"];

// drawShell draws the frame; views are by name.
export function drawShell(views, logOut) {
  const guest = store.route.view === "login";
  document.body.classList.toggle("guest", guest);
  document.body.classList.toggle("stale", store.link.state === "lost");
  patch(document.getElementById("bar"), bar(guest, logOut));
  patch(document.getElementById("nav"), guest ? [] : navigation(views));
  patch(document.getElementById("banner"), banner());
}

function bar(guest, logOut) {
  const o = store.data.overview;
  return [
    !guest && h("button", {
      type: "button", class: "button quiet square menu-button", "aria-label": "Menu", "aria-expanded": String(store.menu), "aria-controls": "nav",
      on: { click: () => change({ menu: !store.menu }) },
    }, icon(store.menu ? "close" : "menu")),
    h("a", { class: "brand", href: "#/overview", "aria-label": "Codis, overview" }, brand(), h("span", {}, "Codis")),
    !guest && clusters(),
    h("div", { class: "bar-end" },
      !guest && o && lamp(...(store.link.state === "lost" ? ["alarm", "No answer"] : pills[o.health] ?? ["idle", o.health])),
      h("button", { type: "button", class: "button quiet square", "aria-label": `Colours: ${theme()}. Change`, title: `Colours: ${theme()}`, on: { click: nextTheme } },
        icon(theme() === "dark" ? "moon" : "sun")),
      store.session?.login_required && !guest && button("Log out", { click: logOut, kind: "quiet", name: "out" })),
  ];
}

const pills = { ok: ["ok", "Healthy"], degraded: ["warning", "Degraded"], down: ["alarm", "Down"] };

function navigation(views) {
  const o = store.data.overview;
  const counts = { jobs: o?.counts.jobs_running, slots: o?.counts.slots_moving };
  return h("ul", { class: store.menu ? "open" : "" }, entries.map((name) =>
    h("li", { key: name }, h("a", {
      href: `#/${name}`, "aria-current": store.route.view === name ? "page" : null,
    }, icon(name), h("span", {}, views[name].title),
    counts[name] > 0 && h("span", { class: "count" }, counts[name], h("span", { class: "visually-hidden" }, name === "jobs" ? " running" : " moving"))))));
}

function banner() {
  const { state, since, tryAt, answers } = store.link;
  if (state === "lost") {
    const wait = Math.max(0, Math.ceil((tryAt - Date.now()) / 1000));
    const heard = store.at.overview;
    return h("div", { class: "banner alarm", key: "lost" }, icon("offline"),
      h("p", {}, h("strong", { role: "alert" }, answers ? "This node sends no live updates." : "This node does not answer."), " ",
        heard ? `What you see is ${span((Date.now() - heard) / 1000)} old. ` : "",
        wait > 0 ? `Trying again in ${wait} s.` : "Trying again…"),
      Date.now() - since > 3_000 && button("Try now", { click: retry }),
      clusters.others());
  }
  const started = store.session?.node?.version;
  const running = store.data.overview?.version;
  if (started && running && started !== running) {
    return h("div", { class: "banner notice", key: "version" }, icon("info"), h("p", {}, `The node runs version ${running} now, this page is of ${started}.`),
      button("Reload", { click: () => location.reload() }));
  }
  return null;
}

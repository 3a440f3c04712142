// Starts the page: who may look, which view is asked for, what it needs.

import { get, remove, setToken, whenLoggedOut } from "./api.js";
import { follow } from "./charts.js";
import { closeDialog, redrawDialog } from "./dialog.js";
import { patch } from "./dom.js";
import { load, start, stop, whenSession } from "./live.js";
import { drawShell } from "./shell.js";
import { change, onChange, store } from "./store.js";
import { apply } from "./theme.js";
import { problemBox, button } from "./ui.js";
import { groups } from "./views/groups.js";
import { history } from "./views/history.js";
import { jobs } from "./views/jobs.js";
import { login, whenLoggedIn } from "./views/login.js";
import { nodes } from "./views/nodes.js";
import { overview } from "./views/overview.js";
import { settings } from "./views/settings.js";
import { slots } from "./views/slots.js";

const views = { overview, slots, groups, nodes, jobs, history, settings, login };
const main = document.getElementById("main");

function draw() {
  const view = views[store.route.view];
  drawShell(views, logOut);
  patch(main, store.failure ? problemBox(store.failure, button("Try again", { click: begin })) : view.render());
  redrawDialog();
  document.title = store.data.overview ? `${view.title} · ${store.data.overview.node_id} · Codis` : `${view.title} · Codis`;
}

// route follows the address; every change of it begins at the top of the view.
function route(event) {
  const [name, id] = location.hash.replace(/^#\/?/, "").split("/");
  const guest = store.session?.login_required && !store.session.logged_in;
  const view = guest ? "login" : Object.hasOwn(views, name) && name !== "login" ? name : "overview";
  const moved = store.route.view !== view;
  if (moved) views[view].enter?.();
  change({ route: { view, id: id ?? null }, menu: false });
  follow(view === "overview");
  for (const resource of views[view].needs) {
    if (store.data[resource] === undefined) load(resource);
  }
  if (event && moved) requestAnimationFrame(() => document.getElementById("title")?.focus({ preventScroll: true }));
  if (moved) scrollTo(0, 0);
}

function enter(session) {
  store.session = session;
  setToken(session.csrf ?? null);
  if (session.login_required && !session.logged_in) {
    stop();
    store.data = {};
    store.series = undefined;
  } else {
    start();
  }
  route();
}

async function logOut() {
  await remove("/session").catch(() => {});
  leave();
}

function leave() {
  closeDialog();
  enter({ ...store.session, login_required: true, logged_in: false, csrf: null });
}

async function begin() {
  try {
    const session = await get("/session");
    store.failure = null;
    enter(session);
  } catch (problem) {
    change({ failure: problem });
  }
}

onChange(draw);
whenLoggedOut(leave);
whenLoggedIn((answer) => enter({ ...store.session, logged_in: true, csrf: answer.csrf }));
whenSession((session) => {
  store.session = { ...session, node: store.session?.node };
  setToken(session.csrf ?? null);
  if (session.login_required && !session.logged_in) leave();
});
addEventListener("hashchange", route);
// The address is the view's, so the way past the navigation can't be one.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.switcher[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
apply();
begin();

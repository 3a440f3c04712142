// Keeps the store at what the node says: one stream of server-sent events, each
// named as the resource that it carries, opened again with growing pauses.

import { get, Problem } from "./api.js";
import { change, failed, redraw, store, took } from "./store.js";

const resources = ["overview", "slots", "groups", "nodes", "jobs", "history", "settings"];
// The overview comes each second: a stream without it is dead, whatever TCP says.
const silence = 7_000;
const firstPause = 500;
const longestPause = 8_000;

let source = null;
let pause = firstPause;
let timer = null;
let watch = null;
let resting = null;

// start opens the stream; it goes on until stop.
export function start() {
  stop();
  open();
  document.addEventListener("visibilitychange", rest);
  watch = setInterval(() => {
    // A hidden page's timers run late, so its silence proves nothing.
    if (store.link.state === "live" && !document.hidden && Date.now() - heardAt > silence) lost();
    if (store.link.state === "lost") redraw();
  }, 1_000);
}

// stop ends it.
export function stop() {
  close();
  clearInterval(watch);
  document.removeEventListener("visibilitychange", rest);
}

const restAfter = 5_000;

// rest gives the stream back while nobody looks: browsers open six connections to
// a host at most, and as many tabs would leave none for requests.
function rest() {
  clearTimeout(resting);
  if (document.hidden) {
    resting = setTimeout(() => {
      close();
      store.link = { state: "connecting", since: Date.now(), tryAt: null };
    }, restAfter);
  } else if (!source) {
    retry();
  }
}

// retry tries at once instead of at the next time.
export function retry() {
  pause = firstPause;
  open();
}

let heardAt = 0;

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function open() {
  close();
  heardAt = Date.now();
  const stream = new EventSource("/api/v1/events");
  source = stream;
  // A connection that opens and says nothing must not wait for ever.
  timer = setTimeout(lost, silence);
  stream.onerror = () => {
    if (stream === source) lost();
  };
  for (const name of resources) {
    stream.addEventListener(name, (event) => {
      if (stream !== source) return;
      heard();
      took(name, JSON.parse(event.data));
    });
  }
}

function heard() {
  heardAt = Date.now();
  clearTimeout(timer);
  pause = firstPause;
  if (store.link.state !== "live") change({ link: { state: "live", since: Date.now(), tryAt: null } });
}

// lost says so and tries again later. A node that refuses the stream, rather than
// being away, says why when it is asked.
function lost() {
  close();
  const wait = pause * (0.75 + Math.random() / 2);
  pause = Math.min(pause * 2, longestPause);
  const { state, since, answers } = store.link;
  change({ link: { state: "lost", since: state === "lost" ? since : Date.now(), tryAt: Date.now() + wait, answers: state === "lost" && answers } });
  timer = setTimeout(tryAgain, wait);
}

// tryAgain opens the stream again. A node that answers and yet sends no events, since
// too many pages have them, is asked for everything instead.
async function tryAgain() {
  store.link.answers = await checkSession();
  if (store.session?.login_required && !store.session.logged_in) return;
  if (store.link.answers && pause > 2 * firstPause) resources.forEach(load);
  open();
}

let onSession = () => {};

// whenSession is called with the session that the node reports after it was lost:
// a node that has started again knows no one.
export function whenSession(then) {
  onSession = then;
}

// checkSession says whether the node answers.
async function checkSession() {
  try {
    onSession(await get("/session"));
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return false;
  }
}

// load asks for a resource that the stream has not brought yet.
export async function load(name) {
  try {
    took(name, await get(`/${name}`));
  } catch (problem) {
    failed(name, problem);
  }
}

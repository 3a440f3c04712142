// Talks to this node's HTTP API, and to nothing else.

const base = "/api/v1";

// Problem is an answer that is not what was asked for (RFC 9457), or none.
export class Problem extends Error {
  constructor({ status = 0, code = "", title = "", detail = "", hint = "" }) {
    super(detail || title || "the node gave no reason");
    Object.assign(this, { status, code, title, hint });
  }
}

let csrf = null;

// setToken keeps what changes have to carry.
export function setToken(token) {
  csrf = token;
}

let onLoggedOut = () => {};

// whenLoggedOut is called when the node wants a login.
export function whenLoggedOut(then) {
  onLoggedOut = then;
}

// Looks at the table are quick; what reads all keys of servers may take minutes.
const quick = 30_000;
const long = 12 * 60_000;

// ask sends a request and returns the JSON of its answer, null without one.
export async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(base + path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin", cache: "no-store", redirect: "error",
      signal: AbortSignal.timeout(method === "GET" && path !== "/fsck" ? quick : long),
    });
  } catch (error) {
    throw new Problem(error.name === "TimeoutError"
      ? { code: "TIMEOUT", detail: "The node did not answer in time.", hint: change(method) }
      : { code: "UNREACHABLE", detail: "This node can't be reached.", hint: change(method) });
  }
  const text = await response.text();
  const answer = parse(text);
  if (response.ok) return answer;
  if (response.status === 401 && path !== "/session") onLoggedOut();
  throw new Problem({ title: response.statusText, ...answer, status: response.status });
}

function change(method) {
  return method === "GET" ? "" : "The change may have been made all the same: look before you repeat it.";
}

function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 500) };
  }
}

export const get = (path) => ask("GET", path);
export const post = (path, body) => ask("POST", path, body ?? {});
export const put = (path, body) => ask("PUT", path, body);
export const edit = (path, body) => ask("PATCH", path, body);
export const remove = (path) => ask("DELETE", path);
// segment makes a path segment of a name.
export const segment = (name) => encodeURIComponent(name);

// Log in: the admin password, before anything else is shown.

import { post, Problem } from "../api.js";
import { h } from "../dom.js";
import { brand } from "../icons.js";
import { redraw } from "../store.js";
import { problemBox } from "../ui.js";

let problem = null;
let busy = false;
let done = () => {};

// whenLoggedIn is called with the new session.
export function whenLoggedIn(then) {
  done = then;
}

export const login = {
  title: "Log in",
  needs: [],
  render: () => h("section", { class: "login card", "aria-labelledby": "title" },
    brand(), h("h1", { id: "title", tabindex: "-1" }, "Log in"),
    h("p", { class: "lead" }, "This cluster asks for its admin password."),
    h("form", { on: { submit } },
      h("div", { class: "field" },
        h("label", { for: "password" }, "Password"),
        h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, ref: (el) => el.focus() })),
      problem && problemBox(problem),
      h("button", { type: "submit", class: "button primary", disabled: busy }, h("span", {}, busy ? "One moment…" : "Log in")))),
};

async function submit(event) {
  event.preventDefault();
  const control = event.target.elements.password;
  busy = true;
  redraw();
  try {
    const session = await post("/session", { password: control.value });
    problem = null;
    control.value = "";
    done(session);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem = error;
    control.select();
  } finally {
    busy = false;
    redraw();
  }
}

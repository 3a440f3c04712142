// What the page knows. Views read it; change() has the page drawn anew.

export const store = {
  // What the node answered last, by resource, and when it came.
  data: {},
  at: {},
  problems: {},
  session: null,
  // connecting, live or lost; since when, and when the next try is.
  link: { state: "connecting", since: Date.now(), tryAt: null },
  route: { view: "overview", id: null },
  menu: false,
};

let draw = () => {};
let due = false;

// onChange names what draws the page.
export function onChange(drawPage) {
  draw = drawPage;
}

// change merges into the store and draws soon, once for many changes.
export function change(values) {
  Object.assign(store, values);
  redraw();
}

// redraw draws the page before the next frame.
export function redraw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

// took keeps a resource's answer.
export function took(name, value) {
  store.data[name] = value;
  store.at[name] = Date.now();
  delete store.problems[name];
  redraw();
}

// failed keeps why a resource can't be had.
export function failed(name, problem) {
  store.problems[name] = problem;
  redraw();
}

// setting is a setting's value, undefined when settings are not known.
export function setting(name) {
  return store.data.settings?.find((row) => row.name === name)?.value;
}

// Describes elements and brings the page to what was described. What servers
// and people named becomes text nodes and attributes only, never markup.

const SVG = "http://www.w3.org/2000/svg";

// h describes an element. Properties: `on` has event handlers, `prop` DOM
// properties, `style` custom CSS properties, `key` the identity among siblings,
// `ref` is called with the element once it is there; all else are attributes.
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, key: props?.key, children: clean(children) };
}

function clean(children) {
  return children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (typeof child === "object" ? child : { text: String(child) }));
}

// patch makes the children of an element those that were described. Elements
// that stay keep their focus, scroll position and what was typed.
export function patch(parent, children) {
  // What the document came with gives way.
  if (!parent.described) parent.replaceChildren();
  const before = parent.described ?? [];
  const after = clean([children]);
  const keyed = new Map();
  const free = [];
  for (const old of before) {
    if (old.key === undefined) free.push(old);
    else keyed.set(old.key, old);
  }
  for (const node of after) {
    const old = node.key === undefined ? takeAlike(free, node) : keyed.get(node.key);
    if (old && alike(old, node)) {
      keyed.delete(node.key);
      node.el = old.el;
      update(node, old);
    } else {
      node.el = create(node, parent);
    }
  }
  for (const old of [...keyed.values(), ...free]) old.el.remove();
  after.forEach((node, at) => {
    if (parent.childNodes[at] !== node.el) parent.insertBefore(node.el, parent.childNodes[at] ?? null);
  });
  parent.described = after;
  for (const node of after) {
    if (node.fresh) {
      node.fresh = false;
      // Later, when all that was described is in the document.
      if (node.props.ref) queueMicrotask(() => node.props.ref(node.el));
    }
  }
}

function alike(a, b) {
  return a.tag === b.tag && a.key === b.key;
}

function takeAlike(free, node) {
  const at = free.findIndex((old) => alike(old, node));
  return at < 0 ? undefined : free.splice(at, 1)[0];
}

function create(node, parent) {
  if (node.tag === undefined) return document.createTextNode(node.text);
  const svg = node.tag === "svg" || (parent.namespaceURI === SVG && parent.localName !== "foreignObject");
  const el = svg ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  node.el = el;
  node.fresh = true;
  update(node, { props: {}, children: [] });
  return el;
}

function update(node, old) {
  const { el, props } = node;
  if (node.tag === undefined) {
    if (node.text !== old.text) el.data = node.text;
    return;
  }
  for (const name of new Set([...Object.keys(old.props), ...Object.keys(props)])) {
    if (!special.has(name) && old.props[name] !== props[name]) setAttribute(el, name, props[name]);
  }
  for (const [name, value] of Object.entries(props.style ?? {})) {
    if (old.props.style?.[name] !== value) el.style.setProperty(name, value);
  }
  listen(el, props.on ?? {});
  // An element whose content is another's business, such as a chart, says so.
  if (!props.opaque) patch(el, node.children);
  for (const [name, value] of Object.entries(props.prop ?? {})) {
    // Compared with what was described before, not with what a person has typed since.
    if (old.props.prop?.[name] !== value) el[name] = value;
  }
}

const special = new Set(["on", "prop", "style", "key", "ref", "opaque"]);

function setAttribute(el, name, value) {
  if (value === undefined || value === null || value === false) el.removeAttribute(name);
  else el.setAttribute(name, value === true ? "" : String(value));
}

// listen keeps one listener an event, which calls what was described last.
function listen(el, handlers) {
  el.handlers = handlers;
  el.listened ??= new Set();
  for (const name of Object.keys(handlers)) {
    if (el.listened.has(name)) continue;
    el.listened.add(name);
    el.addEventListener(name, (event) => el.handlers[name]?.(event));
  }
}

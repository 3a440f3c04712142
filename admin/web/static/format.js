// Numbers, sizes and times as people read them. What is not known is a dash.

export const dash = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

export function count(value) {
  return known(value) ? whole.format(value) : dash;
}

// brief is for places where four digits are enough.
export function brief(value) {
  return known(value) ? (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value)) : dash;
}

const units = ["B", "KB", "MB", "GB", "TB", "PB"];

export function bytes(value) {
  if (!known(value)) return dash;
  let at = 0;
  for (; Math.abs(value) >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${value >= 100 || at === 0 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export function micros(value) {
  if (!known(value)) return dash;
  if (value < 1000) return `${Math.round(value)} µs`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} ms`;
  return `${(value / 1_000_000).toFixed(2)} s`;
}

export function millis(value) {
  return known(value) ? micros(value * 1000) : dash;
}

// span is a length of time in seconds.
export function span(seconds) {
  if (!known(seconds)) return dash;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

// when is a time, in milliseconds since 1970.
export function when(at) {
  return at ? clock.format(at) : dash;
}

export function ago(at) {
  return at ? `${span((Date.now() - at) / 1000)} ago` : dash;
}

// range names slots.
export function range(start, end) {
  return start === end ? `slot ${start}` : `slots ${start}–${end}`;
}

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// Jobs: moves of slots, how far they are, and a hand on them.

import { edit, post, Problem } from "../api.js";
import { finished, input, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { ago, brief, bytes, count, dash, plural, span, when } from "../format.js";
import { toast } from "../toast.js";
import { store } from "../store.js";
import { button, callout, empty, field, groupChip, lamp, page, withData } from "../ui.js";

const ended = new Set(["done", "cancelled", "failed"]);

export const jobs = {
  title: "Jobs",
  needs: ["jobs"],
  render: () => page({ title: "Jobs", lead: "Slots move while clients use them. A job survives a change of the leader." },
    withData(["jobs"], (list) => {
      const sorted = [...list].sort((a, b) => b.id - a.id);
      const running = sorted.filter((job) => !ended.has(job.state));
      const over = sorted.filter((job) => ended.has(job.state));
      if (list.length === 0) {
        return empty({ name: "jobs", title: "Nothing is on the move", text: "Jobs appear here when slots are moved or the cluster is rebalanced." },
          h("a", { class: "button primary", href: "#/slots" }, "Go to Slots"));
      }
      return [
        h("section", { "aria-label": "Jobs under way", key: "running" }, running.length > 0 ? running.map(jobCard) : h("p", { class: "lead" }, "No job is under way.")),
        over.length > 0 && h("section", { "aria-labelledby": "ended", key: "ended" }, h("h2", { id: "ended" }, "Ended"), over.map(jobCard)),
      ];
    })),
};

const lamps = {
  done: "ok", running: "busy", pending: "idle", paused: "warning", cancelling: "warning", cancelled: "idle", failed: "alarm",
};

function jobCard(job) {
  const share = job.slots_total ? job.slots_done / job.slots_total : 0;
  const live = !ended.has(job.state);
  return h("article", { class: `card job${String(job.id) === store.route.id ? " here" : ""}`, key: job.id, id: `job-${job.id}`, "aria-labelledby": `job-${job.id}-title` },
    h("div", { class: "card-head" },
      h("div", {},
        h(live ? "h2" : "h3", { id: `job-${job.id}-title` }, `${kinds[job.kind] ?? job.kind} ${job.id}`),
        h("p", { class: "note" }, `by ${job.who || "unknown"}, ${live ? `begun ${ago(job.created_at)}` : `ended ${when(job.ended_at)}`}`)),
      lamp(lamps[job.state] ?? "busy", job.state)),
    h("div", { class: "progress-line" },
      h("progress", { max: job.slots_total || 1, value: job.slots_done, "aria-label": `Progress of job ${job.id}` }),
      h("span", { class: "number" }, `${Math.floor(share * 100)} %`)),
    h("dl", { class: "facts" },
      fact("Slots", `${count(job.slots_done)} of ${count(job.slots_total)}`),
      fact("Keys", brief(job.keys)), fact("Data", bytes(job.bytes)),
      live && fact("Rate", job.keys_per_second === null ? dash : `${brief(job.keys_per_second)} keys/s`),
      live && fact("Time left", job.eta_s === null ? dash : span(job.eta_s)),
      fact("Limits", limits(job.options))),
    job.reason && callout(live ? "warning" : "notice", h("p", {}, job.reason)),
    moves(job), live && actions(job));
}

const kinds = { migrate: "Move", rebalance: "Rebalance", reverse: "Move back" };

const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));

function limits(options) {
  const parts = [options?.keys_per_second && `${brief(options.keys_per_second)} keys/s`, options?.bytes_per_second && `${bytes(options.bytes_per_second)}/s`];
  return parts.filter(Boolean).join(", ") || "none of its own";
}

function moves(job) {
  return h("details", { class: "more" }, h("summary", {}, plural(job.moves.length, "move")),
    h("ul", { class: "moves" }, job.moves.map((move) =>
      h("li", {}, `${move.start}–${move.end} `, groupChip(move.from), h("span", { class: "note" }, " to "), groupChip(move.to)))));
}

function actions(job) {
  const verb = (word, then) => () => act(job, word, then);
  return h("div", { class: "actions end" },
    job.state === "paused"
      ? button("Resume", { click: verb("resume", "goes on"), kind: "primary", of: `job ${job.id}` })
      : button("Pause", { click: verb("pause", "pauses after the batch under way"), of: `job ${job.id}` }),
    button("Limits…", { click: () => throttle(job), of: `job ${job.id}` }),
    button("Cancel…", { click: () => cancel(job), kind: "quiet", of: `job ${job.id}` }));
}

async function act(job, verb, then) {
  try {
    await post(`/jobs/${job.id}/${verb}`);
    toast(`Job ${job.id} ${then}.`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    toast(`Job ${job.id}: ${problem.message} ${problem.hint}`, "alarm");
  }
}

function cancel(job) {
  openDialog({
    title: `Cancel job ${job.id}`, danger: true, submit: "Cancel the job",
    body: () => h("ul", { class: "consequences" },
      h("li", {}, "Slots that have moved stay where they are now; the others stay where they were."),
      h("li", {}, "Slots in the middle of their move are brought to one side first. No key is lost.")),
    run: async () => finished(`Job ${job.id} is being cancelled.`, await post(`/jobs/${job.id}/cancel`)),
  });
}

function throttle(job) {
  openDialog({
    title: `Limits of job ${job.id}`, submit: "Save",
    values: { keys: job.options?.keys_per_second || "", mb: job.options?.bytes_per_second ? job.options.bytes_per_second / 1024 / 1024 : "" },
    body: (form) => [
      h("p", {}, "A job slows down by itself when the servers answer late. Limits slow it down further."),
      h("div", { class: "row" },
        field({ label: "Keys a second, at most", id: "f-keys", help: "Empty: the setting counts." }, input(form, "keys", { type: "number", min: 0, help: true, autofocus: true })),
        field({ label: "MB a second, at most", id: "f-mb" }, input(form, "mb", { type: "number", min: 0, step: "any" }))),
    ],
    run: async ({ values }) => finished("The limits are set.", await edit(`/jobs/${job.id}`, {
      keys_per_second: Number(values.keys) || 0, bytes_per_second: Math.round((Number(values.mb) || 0) * 1024 * 1024),
    })),
  });
}

// The panel beside the conversation: the section that an answer cites, with the quotation marked.

import { section } from "./api.js";
import { show } from "./text.js";

const at = (id) => document.getElementById(id);
const room = at("room");
const panel = at("panel");
let opener = null;

export async function open(citation, button) {
  close();
  opener = button;
  button.setAttribute("aria-expanded", "true");
  at("panel-number").textContent = citation.number;
  at("panel-title").textContent = citation.heading.split(" › ").pop() || citation.document;
  at("panel-path").textContent = [citation.document, citation.heading].filter(Boolean).join(" › ");
  at("panel-text").replaceChildren();
  at("panel-facts").replaceChildren();
  notice("");
  panel.hidden = false;
  panel.scrollTop = 0;
  room.classList.add("wide");
  panel.focus();
  try {
    const found = await section(citation);
    if (opener === button) fill(citation, found);
  } catch (problem) {
    if (opener !== button) return;
    notice(problem.message);
    show(at("panel-text"), citation.quote, { mark: [0, citation.quote.length], fresh: true });
  }
}

export function close() {
  if (!opener) return;
  opener.setAttribute("aria-expanded", "false");
  panel.hidden = true;
  room.classList.remove("wide");
  if (opener.isConnected) opener.focus();
  opener = null;
}

function fill(citation, found) {
  const start = found.text.indexOf(citation.quote);
  const mark = start < 0 ? null : [start, start + citation.quote.length];
  at("panel-title").textContent = found.headings.at(-1) ?? found.document;
  at("panel-path").textContent = [found.document, ...found.headings].join(" › ");
  if (!found.current) {
    notice("These documents have a newer version. This is the one that the answer was made from.");
  }
  show(at("panel-text"), found.text, { mark, fresh: true });
  const [name, version] = found.source.split("@");
  fact("Source", `${name}@${version.slice(0, 8)}`, found.source);
  fact("Label", found.inhouse.label);
  at("panel-text").querySelector("mark")?.scrollIntoView({ block: "center" });
}

function fact(name, value, title = "") {
  const [dt, dd] = ["dt", "dd"].map((tag) => document.createElement(tag));
  dt.textContent = name;
  dd.textContent = value;
  dd.title = title;
  at("panel-facts").append(dt, dd);
}

function notice(text) {
  at("panel-notice").textContent = text;
  at("panel-notice").hidden = !text;
}

at("panel-close").addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
});

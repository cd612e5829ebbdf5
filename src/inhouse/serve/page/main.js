// The page: the key, the choice of an endpoint, and the conversation with it.

import { answer, endpoints, key } from "./api.js";
import { close } from "./panel.js";
import { Turn } from "./turn.js";

const at = (id) => document.getElementById(id);
const ENDPOINT = "inhouse.endpoint";
const SENTENCE = /[^]*?[.!?](?=\s)\s*/y;

let turns = []; // those that the next question may lean on
let running = null; // how to stop the answer that is coming

async function enter() {
  try {
    const names = await endpoints();
    at("endpoint").replaceChildren(...names.map((name) => new Option(name)));
    const before = sessionStorage.getItem(ENDPOINT);
    if (names.includes(before)) at("endpoint").value = before;
    at("door").hidden = true;
    at("room").hidden = false;
    say("notice", names.length ? "" : "There is no endpoint that you may use.");
    titled();
    settle();
    at("question").focus();
  } catch (problem) {
    if (problem.status === 401) key.forget(); // else it may be as good as before
    lockUp(problem.message);
    at("key").value = key.get();
  }
}

function lockUp(message) {
  running?.abort();
  close();
  anew();
  at("room").hidden = true;
  at("door").hidden = false;
  at("key").value = "";
  say("key-problem", message);
  document.title = "inhouse";
  at("key").focus();
}

function say(id, message) {
  at(id).textContent = message;
  at(id).hidden = !message;
}

function titled() {
  document.title = at("endpoint").value ? `${at("endpoint").value} · inhouse` : "inhouse";
}

function anew() {
  running?.abort();
  close();
  turns = [];
  at("turns").replaceChildren(at("empty"));
  at("empty").hidden = false;
  at("heard").replaceChildren();
}

// What was said to one endpoint is not for another: that one may be somebody else's.
function moved() {
  running?.abort();
  sessionStorage.setItem(ENDPOINT, at("endpoint").value);
  titled();
  if (turns.length) {
    const line = document.createElement("p");
    line.className = "between";
    line.textContent = `A new conversation, with ${at("endpoint").value}`;
    at("turns").append(line);
    line.scrollIntoView({ block: "end" });
  }
  turns = [];
  at("question").focus();
}

function history() {
  return turns.flatMap(({ question, text }) => [
    { role: "user", content: question },
    { role: "assistant", content: text },
  ]);
}

async function ask(question) {
  at("empty").hidden = true;
  const turn = new Turn(question, at("turns"));
  const messages = [...history(), { role: "user", content: question }];
  const hearing = new Hearing(at("heard"));
  const control = (running = new AbortController());
  const mine = turns;
  settle();
  turn.article.scrollIntoView({ block: "start" });
  try {
    for await (const piece of answer(at("endpoint").value, messages, control.signal)) {
      turn.add(piece);
      hearing.add(piece.text ?? "");
    }
    turn.ended();
    hearing.end();
    mine.push(turn);
  } catch (problem) {
    if (problem.name === "AbortError") {
      turn.stopped();
      if (turn.text) mine.push(turn);
    } else if (problem.status === 401) lockUp(problem.message);
    else if ("status" in problem) turn.failed(problem.message, () => againFor(turn));
    else throw problem;
  } finally {
    if (running === control) running = null;
    settle();
  }
}

function againFor(turn) {
  if (running) return;
  turn.article.remove();
  ask(turn.question);
}

function settle() {
  at("send").hidden = Boolean(running);
  at("stop").hidden = !running;
  at("send").disabled = !at("question").value.trim() || !at("endpoint").value;
}

function grow() {
  const field = at("question");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
  settle();
}

// Reads an answer to a screen reader sentence by sentence, each one once.
class Hearing {
  constructor(place) {
    this.place = place;
    this.waiting = "";
    place.replaceChildren();
  }

  add(text) {
    this.waiting += text;
    SENTENCE.lastIndex = 0;
    for (let found; (found = SENTENCE.exec(this.waiting)); SENTENCE.lastIndex = 0) {
      this.waiting = this.waiting.slice(found[0].length);
      this.tell(found[0]);
    }
  }

  end() {
    this.tell(this.waiting);
  }

  tell(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.place.append(line);
  }
}

at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(text)) return say("key-problem", "This is not a key; one begins with ih-.");
  key.keep(text);
  enter();
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = at("question").value.trim();
  if (!question || running || !at("endpoint").value) return;
  at("question").value = "";
  grow();
  ask(question);
});
at("question").addEventListener("input", grow);
at("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("ask").requestSubmit();
});
at("stop").addEventListener("click", () => {
  running?.abort();
  at("question").focus();
});
at("endpoint").addEventListener("change", moved);
at("anew").addEventListener("click", () => {
  anew();
  at("question").focus();
});
at("leave").addEventListener("click", () => {
  key.forget();
  lockUp("");
});

if (key.get()) enter();
else lockUp("");

// One question with its answer, as it comes and when it is there.

import { rate } from "./api.js";
import { open } from "./panel.js";
import { show } from "./text.js";

// What the server puts behind the text for clients that show nothing else; here there are chips.
const LEADS = ["\n\nSources:\n", "\n\nThe nearest sections, which are no answer:\n"];

export class Turn {
  constructor(question, place) {
    this.question = question;
    this.text = "";
    this.ours = null;
    this.usage = null;
    this.began = performance.now();
    const article = document.getElementById("turn").content.firstElementChild.cloneNode(true);
    this.article = article;
    this.find(".asked").textContent = question;
    this.find(".up").addEventListener("click", () => this.rated("up"));
    this.find(".down").addEventListener("click", () => this.rated("down"));
    this.find(".correct").addEventListener("submit", (event) => this.corrected(event));
    this.find(".later").addEventListener("click", () => this.hide(".correct"));
    place.append(article);
  }

  find(selector) {
    return this.article.querySelector(selector);
  }

  hide(selector, hidden = true) {
    this.find(selector).hidden = hidden;
  }

  add(piece) {
    if (piece.text) {
      this.text += piece.text;
      this.hide(".waiting");
      this.drawing ??= requestAnimationFrame(() => {
        this.drawing = null;
        if (!this.ours) show(this.find(".answer"), this.text);
      });
    }
    if (piece.ours) this.ours = piece.ours;
    if (piece.usage) this.usage = piece.usage;
  }

  ended() {
    const seconds = (performance.now() - this.began) / 1000;
    const { citations, refused } = this.ours;
    this.text = bare(this.text, citations);
    this.article.classList.toggle("refused", refused);
    if (refused) this.say(".verdict", "Not answered");
    this.draw(citations);
    this.list(citations, refused);
    this.facts(seconds);
    this.hide("footer", false);
    this.over();
  }

  stopped() {
    this.text = this.text.trimEnd();
    this.article.classList.add("stopped");
    this.say(".verdict", "You stopped this answer");
    this.draw([]);
    this.over();
  }

  failed(message, again) {
    this.say(".problem", message);
    this.hide(".again", false);
    this.find(".again").addEventListener("click", again);
    this.draw([]);
    this.over();
  }

  over() {
    this.hide(".waiting");
    this.find(".answer").removeAttribute("aria-busy");
  }

  say(selector, text) {
    this.find(selector).textContent = text;
    this.hide(selector, false);
  }

  draw(citations) {
    const byNumber = new Map(citations.map((citation) => [citation.number, citation]));
    const chip = (number) => byNumber.has(number) && this.chip(byNumber.get(number));
    show(this.find(".answer"), this.text, { chip, fresh: true });
  }

  chip(citation) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "chip";
    button.textContent = citation.number;
    button.setAttribute("aria-label", `Source ${citation.number}: ${named(citation)}`);
    button.setAttribute("aria-expanded", "false");
    button.title = named(citation);
    button.addEventListener("click", () => open(citation, button));
    return button;
  }

  list(citations, refused) {
    if (!citations.length) return;
    this.find(".sources h3").textContent = refused ? "The nearest sections, which are no answer" : "Sources";
    for (const citation of citations) {
      const button = document.createElement("button");
      const [number, words, document_] = ["span", "span", "small"].map((tag) =>
        document.createElement(tag),
      );
      number.className = "chip";
      number.textContent = citation.number;
      words.append(citation.heading.split(" › ").pop() || citation.document, " ");
      document_.textContent = citation.document;
      words.append(document_);
      button.type = "button";
      button.setAttribute("aria-expanded", "false");
      button.append(number, words);
      button.addEventListener("click", () => open(citation, button));
      const item = document.createElement("li");
      item.append(button);
      this.find(".sources ol").append(item);
    }
    this.hide(".sources", false);
  }

  facts(seconds) {
    const meta = this.find(".meta");
    const fact = (text, title, name = "") => {
      const span = document.createElement("span");
      span.textContent = text;
      span.title = title;
      span.className = name;
      meta.append(span);
    };
    const { model, endpoint, label, usage_estimated: estimated } = this.ours;
    const [name, version] = model.split("@");
    fact(version ? `${name}@${version.slice(0, 8)}` : name, `${model}\n${endpoint}`);
    fact(label, "Who may read this answer", "label");
    if (this.usage?.completion_tokens) {
      const count = this.usage.completion_tokens;
      const words = `${estimated ? "about " : ""}${count} ${count === 1 ? "token" : "tokens"}`;
      fact(words, `${this.usage.prompt_tokens} tokens read, ${count} written`);
    }
    fact(`${seconds.toFixed(1)} s`, "From the question to the end of the answer");
  }

  async rated(thumbs, correction = "") {
    try {
      await rate(this.ours.id, thumbs, correction);
    } catch (problem) {
      this.find(".thanks").textContent = problem.message;
      return;
    }
    for (const name of ["up", "down"]) {
      this.find(`.${name}`).setAttribute("aria-pressed", String(name === thumbs));
    }
    const open = thumbs === "down" && !correction;
    this.hide(".correct", !open);
    this.find(".thanks").textContent = open ? "" : "Thank you. It is kept with this answer.";
    if (open) this.find(".correct textarea").focus();
  }

  corrected(event) {
    event.preventDefault();
    const words = this.find(".correct textarea").value.trim();
    if (words) this.rated("down", words);
    else this.hide(".correct");
  }
}

const named = ({ document, heading }) => (heading ? `${document} › ${heading}` : document);

function bare(text, citations) {
  const listing = citations.map((each) => `[${each.number}] ${named(each)}`).join("\n");
  const end = LEADS.map((lead) => lead + listing).find((tail) => text.endsWith(tail));
  return end ? text.slice(0, -end.length) : text;
}

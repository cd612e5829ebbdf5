// Text of a model or a document as DOM nodes: paragraphs, lists, headings, quotes, code, bold.
// Everything is inserted as text; no markup in it is ever read as HTML.

const FENCE = /^\s*(```|~~~)/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+/;
const HEADING = /^#{1,6}\s+/;
const QUOTE = /^\s*>\s?/;
const ROW = /^\s*\|/;
const INLINE = /(`+)([^`\n]+?)\1|\*\*(\S(?:[^\n]*?\S)?)\*\*|\[(\d{1,3})\](?!\()|\[([^\]\n]+)\]\([^)\s]*\)/g;

// Shows `text` in `place`. `mark` is the span [start, end) to highlight; `chip` makes a node for the
// number of a source, or null. Blocks that are there already and have not changed are left alone.
export function show(place, text, { mark = null, chip = () => null, fresh = false } = {}) {
  const blocks = split(text);
  const kept = fresh ? [] : [...place.children];
  let same = 0;
  while (same < kept.length && same < blocks.length && kept[same].raw === blocks[same].raw) same++;
  [...place.children].slice(same).forEach((node) => node.remove());
  for (const block of blocks.slice(same)) {
    const node = MAKERS[block.kind](block, { mark, chip });
    node.raw = block.raw;
    place.append(node);
  }
}

function split(text) {
  const blocks = [];
  let current = null;
  let at = 0;
  const put = (kind, line) => {
    if (current?.kind !== kind) blocks.push((current = { kind, lines: [] }));
    current.lines.push(line);
  };
  let fence = "";
  for (const words of text.split("\n")) {
    const line = { words, at };
    at += words.length + 1;
    if (fence) {
      if (words.trim() === fence) [fence, current] = ["", null];
      else put("code", line);
      continue;
    }
    const opening = FENCE.exec(words);
    if (opening) {
      fence = opening[1];
      blocks.push((current = { kind: "code", lines: [] }));
    } else if (!words.trim()) current = null;
    else if (HEADING.test(words)) {
      current = null;
      put("heading", line);
      current = null;
    } else if (QUOTE.test(words)) put("quote", line);
    else if (ROW.test(words)) put("code", line);
    else if (ITEM.test(words) || (current?.kind === "list" && /^\s/.test(words))) put("list", line);
    else put("para", line);
  }
  for (const block of blocks) {
    block.raw = `${block.kind} ${block.lines.map((line) => line.words).join("\n")}`;
  }
  return blocks;
}

const MAKERS = {
  para: (block, how) => lines(element("p"), block.lines, how),
  heading: (block, how) => lines(element("h4"), block.lines.map((line) => without(line, HEADING)), how),
  quote: (block, how) => lines(element("blockquote"), block.lines.map((line) => without(line, QUOTE)), how),
  code(block, how) {
    const code = element("code");
    block.lines.forEach((line, i) => {
      plain(code, i ? `\n${line.words}` : line.words, i ? line.at - 1 : line.at, how);
    });
    const pre = element("pre");
    pre.append(code);
    pre.tabIndex = 0;
    return pre;
  },
  list(block, how) {
    const [, , first] = ITEM.exec(block.lines[0].words) ?? [];
    const list = element(/\d/.test(first) ? "ol" : "ul");
    if (list.tagName === "OL") list.start = parseInt(first, 10);
    let item = null;
    for (const line of block.lines) {
      const found = ITEM.exec(line.words);
      if (found || !item) {
        item = element("li");
        const depth = Math.floor((found?.[1].length ?? 0) / 2);
        if (depth) item.className = depth > 1 ? "deeper" : "deep";
        list.append(item);
      } else item.append(" ");
      lines(item, [without(line, found ? ITEM : /^\s+/)], how);
    }
    return list;
  },
};

function lines(place, all, how) {
  all.forEach((line, i) => {
    if (i) place.append(" ");
    inline(place, line.words, line.at, how);
  });
  return place;
}

function inline(place, words, at, how) {
  let last = 0;
  for (const found of words.matchAll(INLINE)) {
    const [whole, ticks, code, bold, number, link] = found;
    const source = number && how.chip(Number(number));
    if (number && !source) continue;
    plain(place, words.slice(last, found.index), at + last, how);
    last = found.index + whole.length;
    const start = at + found.index;
    if (source) place.append(source);
    else if (code) plain(append(place, "code"), code, start + ticks.length, how);
    else if (bold) inline(append(place, "strong"), bold, start + 2, how);
    else plain(place, link, start + 1, how);
  }
  plain(place, words.slice(last), at + last, how);
}

// The only place where text becomes a node; what is within the span stands in a <mark>.
function plain(place, words, at, { mark }) {
  const [from, to] = mark ?? [0, 0];
  const start = Math.min(Math.max(from - at, 0), words.length);
  const end = Math.min(Math.max(to - at, start), words.length);
  place.append(words.slice(0, start));
  if (end > start) append(place, "mark").append(words.slice(start, end));
  place.append(words.slice(end));
}

function without(line, pattern) {
  const [lead] = pattern.exec(line.words) ?? [""];
  return { words: line.words.slice(lead.length), at: line.at + lead.length };
}

function append(place, name) {
  const node = element(name);
  place.append(node);
  return node;
}

const element = (name) => document.createElement(name);

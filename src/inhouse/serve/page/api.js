// The server as this page sees it: every failure is an error whose message is a sentence.

const KEY = "inhouse.key";

export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  keep: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.clear(),
};

export async function endpoints() {
  const { data } = await asked("v1/models");
  return data.filter((model) => model.inhouse.kind === "endpoint").map((model) => model.id);
}

export const section = (citation) =>
  asked(`v1/sections?${new URLSearchParams({ source: citation.source, id: citation.id })}`);

export const rate = (id, thumbs, correction) =>
  asked("v1/feedback", { id, thumbs, ...(correction && { correction }) });

// Yields the pieces of an answer: {text}, then {ours} and {usage}.
export async function* answer(model, messages, signal) {
  const body = { model, messages, stream: true, stream_options: { include_usage: true } };
  const response = await sent("v1/chat/completions", body, signal);
  for await (const event of events(response.body)) {
    if (event.error) throw new Problem(event.error.message);
    const text = event.choices[0]?.delta.content;
    if (text) yield { text };
    if (event.inhouse) yield { ours: event.inhouse };
    if (event.usage) yield { usage: event.usage };
  }
}

async function asked(path, body) {
  const response = await sent(path, body);
  return response.json();
}

async function sent(path, body, signal) {
  const headers = { Authorization: `Bearer ${key.get()}` };
  if (body) headers["Content-Type"] = "application/json";
  const how = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal };
  let response;
  try {
    response = await fetch(path, { ...how, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached. See that it is running, and try again.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  const message = said?.error?.message ?? `The server answered with the status ${response.status}.`;
  throw new Problem(message, response.status);
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  let whole = false;
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      return { done: true };
    });
    if (done) break;
    const parts = (waiting + value).split("\n\n");
    waiting = parts.pop();
    for (const part of parts) {
      if (!part.startsWith("data: ")) continue;
      whole = part === "data: [DONE]";
      if (whole) continue;
      const event = JSON.parse(part.slice(6));
      whole = "error" in event;
      yield event;
    }
  }
  if (!whole) throw new Problem("The answer broke off before its end. Ask again.");
}

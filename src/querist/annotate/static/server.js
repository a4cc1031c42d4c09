// Talking to the server: what is lost on the way is sent again, and the server counts it once.

const LONGEST_WAIT = 15; // seconds between two attempts
const TIMEOUT = 20_000; // milliseconds for one attempt

/** No answer, or one that says: later. To be tried again. */
export class Gone extends Error {}

/** An answer that says no. Trying again would not help. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.what ?? "The server refuses this.");
    this.status = status;
    this.fix = error?.fix ?? "";
  }
}

async function reach(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  } catch {
    throw new Gone("silent");
  }
  if (reply.status >= 500) throw new Gone("troubled");
  return reply;
}

/** Call the interface: with a body a POST, without one a GET. Returns the reply's JSON, null if it has none. */
export async function call(path, body) {
  const post = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: true, // an answer leaves even if the page is closed right now
  };
  const reply = await reach(path, post);
  if (reply.status === 204) return null;
  let content;
  try {
    content = await reply.json();
  } catch {
    throw new Gone("silent"); // cut off on the way
  }
  if (!reply.ok) throw new Refused(reply.status, content.error);
  return content;
}

/** The bytes of a picture. */
export async function picture(question, name) {
  const reply = await reach(`/picture/${question}/${encodeURIComponent(name)}`);
  if (!reply.ok) throw new Refused(reply.status);
  try {
    return await reply.blob();
  } catch {
    throw new Gone("silent");
  }
}

/** Tries until the server answers, slower and slower; everything that waits, waits together. */
export class Connection {
  #failed = 0;
  #pause = null;
  #wake = () => {};

  /** `told(seconds, reason)` while the server is gone, `told(null)` when it is back. */
  constructor(told) {
    this.told = told;
  }

  async insist(attempt) {
    for (;;) {
      try {
        const found = await attempt();
        this.#back();
        return found;
      } catch (error) {
        if (!(error instanceof Gone)) {
          this.#back();
          throw error;
        }
        await (this.#pause ??= this.#rest(error.message));
      }
    }
  }

  /** Try at once: somebody pressed the button, or the network came back. */
  retry() {
    this.#wake();
  }

  #back() {
    if (this.#failed) this.told(null);
    this.#failed = 0;
  }

  async #rest(reason) {
    const wait = Math.min(LONGEST_WAIT, 0.5 * 2 ** this.#failed++);
    let awake = false;
    const woken = new Promise((resolve) => {
      this.#wake = () => resolve((awake = true));
    });
    const until = performance.now() + 1000 * wait;
    for (let left = wait; left > 0 && !awake; left = (until - performance.now()) / 1000) {
      if (this.#failed > 1) this.told(Math.ceil(left), reason); // a single hiccup is not worth a word
      await Promise.race([woken, new Promise((resolve) => setTimeout(resolve, Math.min(1000, 1000 * left)))]);
    }
    if (this.#failed > 1) this.told(0, reason);
    this.#pause = null;
  }
}

const KEY = "querist-unsent";

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function keep(items) {
  try {
    if (Object.keys(items).length) localStorage.setItem(KEY, JSON.stringify(items));
    else localStorage.removeItem(KEY);
  } catch {
    // Storage is switched off: the answer lives as long as the page.
  }
}

/** Of each run, the one answer that was given and has no receipt yet: it outlives the page. Runs may share an address. */
export const unsent = {
  keep(item) {
    keep({ ...kept(), [item.run]: item });
  },
  /** The one of a run; of any run if it is not known yet which this is. */
  get(run) {
    return run ? kept()[run] : Object.values(kept())[0];
  },
  clear(run) {
    const { [run]: _, ...others } = kept();
    keep(others);
  },
};

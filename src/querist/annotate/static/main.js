// One question after another. This file knows the order of things; the others know the server, the pictures, the page.

import * as conflicts from "./conflicts.js";
import { Pictures, decoded } from "./pictures.js";
import { Connection, Refused, call, unsent } from "./server.js";
import * as view from "./view.js";

const BLINK = 250; // milliseconds: nobody has seen a question that appeared just now, so no key answers it
const SOON = 150; // milliseconds to wait for pictures before their empty frames are shown
const EAGER = 5000; // milliseconds in which a waiting page asks often
const WAITING = "The next question is being prepared and appears by itself.";
const SIGN_IN = "querist prints a link where it was started; each opens this page once. Open the newest one in this browser.";

const pictures = new Pictures();
let state = null; // what the page shows
let works = () => false; // which answers can be given now, by tone
let busy = null; // what is on its way: the words for it
let turn = 0; // grows with whatever makes a reply that is still on its way outdated
let appeared = 0;
let since = 0; // when it began to wait
let news = ""; // what became of the last answer, for those who listen
let timer;

const connection = new Connection((seconds, reason) => {
  const silent = reason === "troubled" ? "The server has trouble." : "The server does not answer.";
  view.trouble(seconds, `${silent} ${busy ?? "Nothing is lost."}`);
});

// Showing -------------------------------------------------------------------------------------------------------------

async function show(next) {
  const mine = ++turn;
  works = () => false;
  if (state && state.run !== next.run) {
    pictures.clear(); // another run may use the same names
    view.clear();
  }
  if (state?.nothing?.reason !== "waiting") since = performance.now();
  state = next;
  later();
  view.progress(next.progress, next.title);
  view.undo(next.undo, true);
  conflicts.show(torn(next), address, correct);
  if (next.asked) return ask(next.asked, mine);
  const { reason, note } = next.nothing;
  if (reason === "waiting") pause("waiting", "One moment", note || WAITING);
  else pause("done", "All done. Thank you!", note || `${next.progress.answered} ${next.progress.unit} answered.`);
}

/** What contradicts what; said when nothing is being corrected. */
const torn = ({ asked, conflicts }) => (asked?.revision ? [] : conflicts);

function pause(kind, title, text) {
  view.pause(kind, title, text);
  tell(`${title} ${text}`);
}

function tell(text) {
  view.say(`${news} ${text}`);
  news = "";
}

async function ask(asked, mine) {
  const all = Promise.all(asked.pictures.map((picture) => load(asked.id, picture)));
  let images = await Promise.race([all, sleep(SOON)]);
  if (mine !== turn) return;
  put(asked, images);
  if (!images) {
    images = await all;
    if (mine !== turn) return;
    put(asked, images);
  }
  // Of what cannot be seen, nothing can be told but that.
  works = images.every(Boolean) ? () => true : (tone) => tone === "unsure";
  view.enable(works);
  appeared = performance.now();
  tell([asked.prompt, ...asked.pictures.map(({ alt }) => alt)].join(" "));
}

function put(asked, images) {
  view.question(asked, images);
  view.choices(asked.choices, answer);
  view.enable(() => false);
  view.strip(asked, (name) => address(asked.id, name));
}

const address = (question, name) => connection.insist(() => pictures.load(question, name));

async function load(question, { name, alt }) {
  try {
    return await decoded(await address(question, name), alt);
  } catch {
    return null;
  }
}

function signedOut() {
  turn++;
  const kept = unsent.get(state?.run);
  state = null;
  works = () => false;
  view.undo(null);
  conflicts.show([], address, correct);
  pause("closed", "Please open a new link", SIGN_IN + (kept ? ` Your last answer (“${kept.label}”) is kept until then.` : ""));
}

/** The server said no: say why, and show what there is now. */
async function refused(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 401) return signedOut();
  view.notice(error.message);
  await refresh();
}

async function refresh() {
  try {
    await show(await connection.insist(() => call("/api/state")));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return signedOut();
    throw error;
  }
}

// Answering -----------------------------------------------------------------------------------------------------------

async function answer(choice) {
  if (busy || !works(choice.tone) || performance.now() - appeared < BLINK) return;
  const { id: question, revision, choices } = state.asked;
  works = () => false;
  view.chosen(choices.indexOf(choice));
  view.undo(state.undo, false);
  view.notice("");
  await send({ run: state.run, label: choice.label, post: { question, revision, choice: choice.value } });
}

async function send(item) {
  turn++;
  busy = `Your answer “${item.label}” is kept here and will be sent.`;
  unsent.keep(item);
  let next;
  try {
    next = await connection.insist(() => call("/api/answer", item.post));
  } catch (error) {
    busy = null;
    if (!(error instanceof Refused && error.status === 401)) unsent.clear(item.run);
    return refused(error);
  }
  busy = null;
  unsent.clear(item.run);
  const { answered, budget, unit } = next.progress;
  news = `${item.label}: kept. ${answered} of ${budget} ${unit} answered.`;
  await show(next);
}

function takeBack() {
  if (state?.undo) return reopen(state.undo, "The last answer will be taken back.", "It is too late to take that answer back.");
}

/** An answer that contradicts others shall be given again. */
function correct(answer) {
  return reopen(answer, "The question will be asked again.", "That answer was corrected meanwhile.");
}

async function reopen({ question, revision }, meanwhile, late) {
  if (busy || !state) return;
  turn++;
  busy = meanwhile;
  works = () => false;
  view.undo(state.undo, false);
  try {
    const next = await connection.insist(() => call("/api/undo", { question, revision }));
    busy = null;
    view.notice(next.undone ? "" : late);
    await show(next);
  } catch (error) {
    busy = null;
    await refused(error);
  }
}

// Staying in touch ----------------------------------------------------------------------------------------------------

/** A call now and then keeps the question ours, and brings the next one after a wait. */
function later() {
  clearTimeout(timer);
  const eager = performance.now() - since < EAGER;
  const lingers = state.undo || state.conflicts.length; // all is done as soon as nobody looks any more
  const pause = state.asked ? 15_000 : state.nothing.reason === "done" ? (lingers ? 400 : 5000) : eager ? 300 : 1200;
  timer = setTimeout(beat, pause);
}

async function beat() {
  if (!state) return;
  if (busy || document.hidden) return later();
  const mine = turn;
  let next;
  try {
    next = await connection.insist(() => call("/api/state"));
  } catch (error) {
    return mine === turn ? refused(error) : undefined;
  }
  if (mine !== turn) return;
  if (same(next, state)) {
    later();
    view.progress(next.progress, next.title);
    conflicts.show(torn(next), address, correct);
    return;
  }
  if (state.asked && next.run === state.run) view.notice("The question before this one went to another window.");
  await show(next);
}

function same(one, other) {
  if (one.run !== other.run || !one.asked !== !other.asked) return false;
  if (one.asked) return one.asked.id === other.asked.id && one.asked.revision === other.asked.revision;
  return one.nothing.reason === other.nothing.reason && one.nothing.note === other.nothing.note;
}

/** The token leaves the address at once, so that it is neither kept in the history nor shared by accident. */
async function enter() {
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", location.pathname);
    try {
      await connection.insist(() => call("/api/enter", { token }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // an old link: the cookie may still be good
    }
  }
  let next;
  try {
    next = await connection.insist(() => call("/api/state"));
  } catch (error) {
    return refused(error);
  }
  const kept = unsent.get(next.run);
  if (kept) return send(kept); // counted once, even if it had arrived
  await show(next);
}

// Hands and keys ------------------------------------------------------------------------------------------------------

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const folded = (key) => (key.length === 1 ? key.toLowerCase() : key);

addEventListener("keydown", (event) => {
  if (conflicts.looking() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const key = folded(event.key);
  const presses = (key === "Enter" || key === " ") && event.target.closest?.("button"); // the key presses that button
  if (presses && event.repeat) event.preventDefault(); // once, however long it is held
  if (presses || event.repeat || !view.keys()) return;
  const choice = state?.asked?.choices.find((offered) => folded(offered.key) === key);
  if (!choice && !(state?.undo && folded(state.undo.key) === key)) return;
  event.preventDefault();
  if (choice) answer(choice);
  else takeBack();
});
addEventListener("hashchange", enter);
addEventListener("online", () => connection.retry());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  connection.retry();
  if (state) beat();
});
view.listen(() => connection.retry(), takeBack);
enter();

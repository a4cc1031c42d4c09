// What is on the page. Text becomes text and never HTML.

const SIGNS = {
  yes: "M4 10.5l4 4L16 6",
  no: "M5 5l10 10M15 5L5 15",
  unsure: "M6.6 7.4a3.4 3.4 0 1 1 5 3c-1.1.6-1.6 1.1-1.6 2.4M10 15.9v.2",
};
const KEYS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Enter: "↵", Backspace: "⌫" };
const STATES = { open: "", present: "asked now", yes: "answered yes", no: "answered no", unsure: "could not be told", plain: "answered" };

const $ = (id) => document.getElementById(id);

export function make(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}

export function sign(tone) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SIGNS[tone]);
  svg.append(path);
  return svg;
}

function label(button, words, key, tone) {
  const cap = make("kbd", "", KEYS[key] ?? (key.length === 1 ? key.toUpperCase() : key));
  cap.setAttribute("aria-hidden", "true");
  button.dataset.shortcut = key === " " ? "Space" : key;
  nameShortcut(button);
  button.replaceChildren(...(SIGNS[tone] ? [sign(tone)] : []), make("span", "", words), cap);
}

const round = (number) => (number < 10 ? Math.round(number * 10) / 10 : Math.round(number)).toLocaleString("en");

function duration(minutes) {
  if (minutes < 1.5) return "about a minute left";
  if (minutes < 90) return `about ${Math.round(minutes)} min left`;
  return `about ${round(minutes / 60)} h left`;
}

/** What a screen reader says, once. */
export function say(text) {
  $("said").textContent = text;
}

let fading;
/** A word on something that was not as expected; goes by itself. */
export function notice(text) {
  $("notice").textContent = text;
  clearTimeout(fading);
  if (text) fading = setTimeout(() => notice(""), 8000);
}

export function progress({ answered, budget, remaining, per_minute: pace, unit, finished }, title) {
  $("title").textContent = title;
  document.title = finished ? `Done · ${title}` : `${answered} of ${budget} · ${title}`;
  $("counts").hidden = $("bar").hidden = false;
  $("answered").textContent = answered.toLocaleString("en");
  $("budget").textContent = budget.toLocaleString("en");
  $("unit").textContent = unit;
  $("remaining").textContent = `${remaining.toLocaleString("en")} remain`;
  $("pace").textContent = pace === null ? "" : `${round(pace)} per minute`;
  $("left").textContent = pace === null || !remaining ? "" : duration(remaining / pace);
  $("bar").max = Math.max(1, budget);
  $("bar").value = answered;
  $("bar").setAttribute("aria-label", `${answered} of ${budget} ${unit} answered, ${remaining} remain`);
}

/** Show a question; `images`: elements, null where a picture cannot be had; nothing at all while they are coming. */
export function question(asked, images) {
  $("pause").hidden = true;
  $("question").hidden = $("choices").hidden = false;
  $("prompt").textContent = asked.prompt;
  $("note").textContent = asked.note;
  $("note").hidden = !asked.note;
  const figures = asked.pictures.map((picture, i) => figure(picture, images?.[i]));
  $("pictures").style.setProperty("--n", Math.max(1, figures.length));
  $("pictures").replaceChildren(...figures);
}

function figure({ alt, caption }, image) {
  const mat = make("div", "mat");
  const node = make("figure", "", mat);
  if (image) {
    node.style.setProperty("--ratio", Math.min(4, Math.max(0.25, image.naturalWidth / image.naturalHeight)));
    node.style.setProperty("--most", `${5 * image.naturalWidth}px`); // larger only blurs a small crop
    mat.append(image);
  } else if (image === null) {
    mat.append(make("p", "missing", "This picture cannot be shown."), make("span", "unseen", alt));
  } else {
    mat.classList.add("coming");
  }
  if (caption) node.append(make("figcaption", "", caption));
  return node;
}

/** How many columns spread the buttons over as few rows as possible, evenly. */
export const columns = (count, most) => Math.ceil(count / Math.ceil(count / most));

let buttons = [];

/** The buttons. They stay where they are from one question to the next, and so does the keyboard's focus. */
export function choices(offered, pressed) {
  while (buttons.length < offered.length) {
    const button = make("button");
    button.type = "button";
    buttons.push(button);
    $("choices").append(button);
  }
  while (buttons.length > offered.length) buttons.pop().remove();
  $("choices").style.setProperty("--wide", columns(offered.length, 5));
  $("choices").style.setProperty("--narrow", columns(offered.length, 3));
  offered.forEach((choice, i) => {
    buttons[i].dataset.tone = choice.tone;
    buttons[i].onclick = () => pressed(choice);
    delete buttons[i].dataset.chosen;
    label(buttons[i], choice.label, choice.key, choice.tone);
  });
}

/** Which buttons work now: `works(tone)`. Others stay in reach of the keyboard and do nothing. */
export function enable(works) {
  for (const button of buttons) button.setAttribute("aria-disabled", String(!works(button.dataset.tone)));
}

/** Mark what was chosen. */
export function chosen(place) {
  enable(() => false);
  buttons[place].dataset.chosen = "";
}

const shown = new Map(); // the strip's pictures by name
let moved = false; // somebody looks elsewhere in the strip

/** The present picture into the middle: pictures that come later push it aside. */
function centre() {
  const list = $("neighbours");
  const present = list.querySelector("[data-state=present]");
  if (!present || moved) return;
  const [inner, outer] = [present.getBoundingClientRect(), list.getBoundingClientRect()];
  list.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}
for (const what of ["pointerdown", "wheel", "keydown"]) $("neighbours").addEventListener(what, () => (moved = true), { passive: true });
addEventListener("resize", centre);

export function strip(asked, addresses) {
  const list = $("neighbours");
  moved = false;
  $("strip").hidden = !asked.context.length;
  $("strip-title").textContent = asked.context_title;
  const items = asked.context.map(({ name, alt, state }) => {
    let item = shown.get(name);
    if (!item) {
      const image = new Image();
      image.draggable = false;
      image.onload = centre;
      item = make("li", "", image);
      addresses(name).then((address) => (image.src = address), () => {});
    }
    const image = item.firstChild;
    image.alt = STATES[state] ? `${alt}, ${STATES[state]}` : alt;
    if (item.dataset.state !== state) {
      item.dataset.state = state;
      item.replaceChildren(image, ...(SIGNS[state] ? [sign(state)] : []));
    }
    return [name, item];
  });
  shown.clear();
  for (const [name, item] of items) shown.set(name, item);
  const nodes = items.map(([, item]) => item);
  if (nodes.length !== list.children.length || nodes.some((node, i) => node !== list.children[i])) list.replaceChildren(...nodes);
  centre();
}

/** Forget the strip's pictures. */
export function clear() {
  shown.clear();
  $("neighbours").replaceChildren();
}

/** Instead of a question. `kind`: waiting, done or closed. */
export function pause(kind, title, text) {
  $("question").hidden = $("choices").hidden = true;
  $("pause").hidden = false;
  $("sign").dataset.sign = kind;
  $("pause-title").textContent = title;
  $("pause-text").textContent = text;
}

/** The button that takes the last answer back; none if `undo` is null. */
export function undo(offered, works) {
  $("undo").toggleAttribute("data-none", !offered);
  if (!offered) return;
  label($("undo"), offered.label, offered.key);
  $("undo").setAttribute("aria-disabled", String(!works));
}

/** The server is gone (`seconds` to the next attempt) or back (null). */
export function trouble(seconds, text) {
  $("banner").hidden = seconds === null;
  document.body.dataset.gone = seconds === null ? "" : "yes";
  if (seconds === null) return;
  if ($("trouble").textContent !== text) $("trouble").textContent = text; // said once, not every second
  $("again").textContent = seconds ? `Next attempt in ${seconds} s` : "Trying …";
}

const SILENT = "querist-keys-off";
let keyed = true;
try {
  keyed = !localStorage.getItem(SILENT);
} catch {
  // Storage is switched off: the choice lives as long as the page.
}

/** Whether letters answer. Who speaks to the computer, or presses keys unawares, can switch that off (WCAG 2.1.4). */
export const keys = () => keyed;

const nameShortcut = (button) => {
  if (keyed) button.setAttribute("aria-keyshortcuts", button.dataset.shortcut);
  else button.removeAttribute("aria-keyshortcuts");
};

function showKeys() {
  document.querySelectorAll("[data-shortcut]").forEach(nameShortcut);
  $("keys").textContent = keyed ? "Answer without keys" : "Answer with keys";
  document.body.toggleAttribute("data-keyless", !keyed);
}

$("keys").onclick = () => {
  keyed = !keyed;
  try {
    keyed ? localStorage.removeItem(SILENT) : localStorage.setItem(SILENT, "yes");
  } catch {
    // as above
  }
  showKeys();
};
showKeys();

/** Call back when a person asks for another attempt, or to take an answer back. */
export function listen(retry, takeBack) {
  $("retry").onclick = retry;
  $("undo").onclick = takeBack;
}

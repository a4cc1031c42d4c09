// Answers that cannot all be true: a line that says so, and a look at their pictures side by side.

import { columns, make, sign } from "./view.js";

const $ = (id) => document.getElementById(id);
const left = new Set(); // those that somebody looked at and left as they are

let open = []; // those that are shown
let place = 0;
let load = () => Promise.reject();
let correct = () => {};

const key = ({ answers }) => answers.map(({ question, revision }) => `${question}/${revision}`).join(" ");

/** Whether somebody looks at one now: keys do not answer the question behind it. */
export const looking = () => $("conflict").open;

/** Say that there are some. `address(question, name)` is that of a picture, `taken(answer)` takes an answer back. */
export function show(conflicts, address, taken) {
  [load, correct] = [address, taken];
  open = conflicts.filter((conflict) => !left.has(key(conflict)));
  const words = open.length > 1 ? "Some answers contradict each other." : "An answer contradicts others.";
  if ($("torn").hidden !== !open.length || $("torn-words").textContent !== words) {
    $("torn").hidden = !open.length;
    $("torn-words").textContent = open.length ? words : "";
  }
  if (!looking()) return;
  if (open.length) draw();
  else $("conflict").close();
}

function draw() {
  place = Math.min(place, open.length - 1);
  const { title, pictures, answers } = open[place];
  $("conflict-title").textContent = title;
  $("conflict-place").textContent = open.length > 1 ? `${place + 1} of ${open.length}` : "";
  $("conflict-next").hidden = open.length < 2;
  if ($("conflict-pictures").dataset.key === key(open[place])) return;
  $("conflict-pictures").dataset.key = key(open[place]);
  $("conflict-pictures").style.setProperty("--n", pictures.length);
  $("conflict-pictures").style.setProperty("--narrow", columns(pictures.length, 3));
  $("conflict-pictures").replaceChildren(...pictures.map((picture, i) => figure(picture, answers.find(({ about }) => about.includes(i)))));
  $("conflict-answers").replaceChildren(...answers.map((answer) => row(answer, answer.about.map((i) => pictures[i].caption.split(",")[0]))));
}

function figure({ name, alt, caption }, { question }) {
  const image = new Image();
  image.alt = alt;
  image.draggable = false;
  const node = make("figure", "", make("div", "mat", image), make("figcaption", "", caption));
  node.style.setProperty("--ratio", 0.5);
  image.onload = () => node.style.setProperty("--ratio", Math.min(4, Math.max(0.25, image.naturalWidth / image.naturalHeight)));
  load(question, name).then((address) => (image.src = address), () => {});
  return node;
}

function row(answer, names) {
  const told = make("span", "told", sign(answer.tone), make("span", "", answer.label));
  told.dataset.tone = answer.tone;
  const button = make("button", "plain", "Answer again");
  button.type = "button";
  button.setAttribute("aria-label", `${names.join(" and ")}: ${answer.label}. Answer again`);
  button.onclick = () => {
    $("conflict").close();
    correct(answer);
  };
  return make("li", "", make("b", "", names.join(" – ")), told, button);
}

$("look").onclick = () => {
  place = 0;
  draw();
  $("conflict").showModal();
};
$("conflict-next").onclick = () => {
  place = (place + 1) % open.length;
  draw();
};
$("conflict-leave").onclick = () => {
  left.add(key(open[place]));
  show(open, load, correct);
};
$("conflict-close").onclick = () => $("conflict").close();
$("conflict").onclick = (event) => event.target === $("conflict") && $("conflict").close(); // beside it

// Pictures, loaded once each and kept in memory: a name stands for the same bytes as long as the page is open.

import { picture } from "./server.js";

const MOST = 400;

export class Pictures {
  #found = new Map(); // name -> promise of an address in memory; the least recently used first

  /** The address of a picture, loaded on the first call. */
  load(question, name) {
    let found = this.#found.get(name);
    this.#found.delete(name);
    if (!found) {
      found = picture(question, name).then((blob) => URL.createObjectURL(blob));
      found.catch(() => this.#found.get(name) === found && this.#found.delete(name));
    }
    this.#found.set(name, found);
    this.#shrink();
    return found;
  }

  /** Forget everything: another run may use the same names for other pictures. */
  clear() {
    for (const name of [...this.#found.keys()]) this.#drop(name);
  }

  #shrink() {
    for (const name of this.#found.keys()) {
      if (this.#found.size <= MOST) return;
      this.#drop(name);
    }
  }

  #drop(name) {
    this.#found.get(name).then(URL.revokeObjectURL, () => {}); // one that is on the page stays there
    this.#found.delete(name);
  }
}

/** An <img> that is ready to be shown, so that nothing flickers. */
export async function decoded(address, alt) {
  const image = new Image();
  image.alt = alt;
  image.draggable = false;
  image.src = address;
  await image.decode();
  return image;
}

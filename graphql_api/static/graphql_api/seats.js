// The map: seats drawn as SVG, for the mouse, the keyboard and screen readers. It knows nothing of the graph.

const SVG = "http://www.w3.org/2000/svg";
const CELL = 40; // units of the drawing
const MARGIN = 34; // beside the rows, for their letters
const STAGE = 74; // above them, for the screen
const SEAT = "M12 4h16a6 6 0 0 1 6 6v12H6V10a6 6 0 0 1 6-6z M3.500 24.500h33v4a7 7 0 0 1-7 7h-19a7 7 0 0 1-7-7z"; // back, cushion

// What a seat can be to the visitor. Each has a mark, so that colour alone means nothing; a free one has its number.
export const KINDS = {
  available: { text: "available" },
  chosen: { text: "chosen by you", mark: "M12 14l6 6 10-11" },
  held: { text: "held for somebody else", mark: "M13 8h14M13 19h14M14 8c0 6 12 5 12 11M26 8c0 6-12 5-12 11" },
  booked: { text: "booked", mark: "M14 8l12 11M26 8L14 19" },
  blocked: { text: "not for sale", mark: "M13 13.500h14" },
  "mine-held": { text: "held for you", mark: "M13 8h14M13 19h14M14 8c0 6 12 5 12 11M26 8c0 6-12 5-12 11" },
  "mine-booked": { text: "booked by you", mark: "M20 7l2 4.500 5 .5-3.700 3.300 1 4.700-4.300-2.500-4.300 2.500 1-4.700L13 12l5-.5z" },
};

export class SeatMap {
  /** `choose(seatNumber)` is called when a seat is pressed, whatever it is. */
  constructor(svg, choose) {
    this.svg = svg;
    this.seats = new Map(); // by seat number: { group, row, column }
    this.rows = []; // of seat numbers
    this.tab = null; // the one seat that the tab key leads to
    svg.addEventListener("click", ({ target }) => {
      const number = this.#numberOf(target);
      if (number) choose(number);
    });
    svg.addEventListener("keydown", (event) => this.#key(event, choose));
    svg.addEventListener("focusin", ({ target }) => this.#leadTabTo(this.#numberOf(target)));
  }

  /** Draw rows of `{ row, seats: [{ seatNumber, label }] }` anew. */
  draw(rows) {
    const columns = Math.max(1, ...rows.map(({ seats }) => seats.length));
    this.width = columns * CELL + 2 * MARGIN;
    this.height = rows.length * CELL + STAGE + 8;
    this.seats.clear();
    this.rows = rows.map(({ seats }) => seats.map(({ seatNumber }) => seatNumber));
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("aria-rowcount", rows.length);
    this.svg.setAttribute("aria-colcount", columns);
    this.svg.replaceChildren(screen(this.width), ...rows.map((row, index) => this.#row(row, index, columns)));
    this.#leadTabTo(this.seats.has(this.tab) ? this.tab : this.rows[0]?.[0]);
  }

  /** Show what a seat is: one of `KINDS`, and a label like B7. */
  paint(number, kind, label) {
    const { group, mark } = this.seats.get(number);
    if (group.dataset.kind === kind && group.dataset.label === label) return;
    group.dataset.kind = kind;
    group.dataset.label = label;
    group.setAttribute("aria-label", `${label}, ${KINDS[kind].text}`);
    group.setAttribute("aria-checked", kind === "chosen");
    group.setAttribute("aria-disabled", kind !== "available" && kind !== "chosen");
    mark.setAttribute("d", KINDS[kind].mark ?? "");
  }

  /** Make the drawing this wide on the page; what does not fit is scrolled within the map. */
  resize(pixelsPerSeat) {
    this.svg.style.width = `${(this.width / CELL) * pixelsPerSeat}px`;
  }

  /** The size at which all seats of a row are seen, though no smaller than a finger can meet. */
  fitting(pixels) {
    return Math.max(26, Math.min(44, (pixels / this.width) * CELL));
  }

  focus() {
    this.seats.get(this.tab)?.group.focus();
  }

  #row({ row, seats }, index, columns) {
    const y = STAGE + index * CELL;
    const letters = [MARGIN / 2, MARGIN * 1.5 + columns * CELL].map((x) =>
      make("text", { class: "letter", x, y: y + 23, "aria-hidden": true }, row),
    );
    const cells = seats.map(({ seatNumber }, column) => {
      const mark = make("path", { class: "mark" });
      const group = make("g", { class: "seat", role: "checkbox", tabindex: -1, "data-seat": seatNumber }, [
        make("rect", { class: "reach", width: CELL, height: CELL }),
        make("path", { class: "shape", d: SEAT }),
        make("text", { class: "number", x: 20, y: 18, "aria-hidden": true }, column + 1),
        mark,
      ]);
      this.seats.set(seatNumber, { group, mark, row: index, column });
      const place = `translate(${MARGIN + column * CELL} ${y})`;
      return make("g", { role: "gridcell", "aria-colindex": column + 1, transform: place }, group);
    });
    const name = `Row ${row}`;
    return make("g", { role: "row", "aria-rowindex": index + 1, "aria-label": name }, [...letters, ...cells]);
  }

  #numberOf(element) {
    return Number(element.closest?.("[data-seat]")?.dataset.seat);
  }

  #leadTabTo(number) {
    if (!this.seats.has(number)) return;
    this.seats.get(this.tab)?.group.setAttribute("tabindex", -1);
    this.seats.get(number).group.setAttribute("tabindex", 0);
    this.tab = number;
  }

  #key(event, choose) {
    const number = this.#numberOf(event.target);
    if (!number || event.altKey || event.metaKey) return;
    if (event.key === " " || event.key === "Enter") {
      choose(number);
    } else {
      const { row, column } = this.seats.get(number);
      const to = this.#beside(event, row, column);
      if (!to) return;
      this.seats.get(to).group.focus();
    }
    event.preventDefault(); // the page would scroll
  }

  #beside({ key, ctrlKey }, row, column) {
    const last = this.rows.length - 1;
    const clamped = (line) => line?.[Math.min(column, line.length - 1)];
    switch (key) {
      case "ArrowLeft": return this.rows[row][column - 1];
      case "ArrowRight": return this.rows[row][column + 1];
      case "ArrowUp": return clamped(this.rows[row - 1]);
      case "ArrowDown": return clamped(this.rows[row + 1]);
      case "Home": return this.rows[ctrlKey ? 0 : row][0];
      case "End": return this.rows[ctrlKey ? last : row].at(-1);
      case "PageUp": return clamped(this.rows[Math.max(0, row - 5)]);
      case "PageDown": return clamped(this.rows[Math.min(last, row + 5)]);
    }
  }
}

/** A small seat for the legend. */
export function seatIcon(kind) {
  const parts = [make("path", { class: "shape", d: SEAT }), make("path", { class: "mark", d: KINDS[kind].mark ?? "" })];
  const seat = make("g", { class: "seat", "data-kind": kind }, parts);
  return make("svg", { viewBox: "0 0 40 40", class: "icon", "aria-hidden": true }, seat);
}

function screen(width) {
  const [left, right, middle] = [width * 0.08, width * 0.92, width / 2];
  return make("g", { "aria-hidden": true }, [
    make("path", { class: "light", d: `M${left} 30Q${middle} 8 ${right} 30L${width - MARGIN} 66H${MARGIN}Z` }),
    make("path", { class: "screen", d: `M${left} 30Q${middle} 8 ${right} 30` }),
    make("text", { class: "caption", x: middle, y: 46 }, "Screen"),
  ]);
}

function make(name, attributes, content = []) {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...(Array.isArray(content) ? content : [content]));
  return element;
}

// The seat picker of one show. It uses the public graph alone, through graph.js; seats.js draws the map.
// The page follows the service: the live stream, the answers, and the show loaded again after a refusal.

import { isSignedIn, signedIn, signOut } from "./account.js";
import { Fault, act, ask, follow, now, sleep } from "./graph.js";
import { BEST, BOOK, CANCEL, CHANGES, CONFIRM, EXTEND, HOLD, MOVE, PICKER, RELEASE } from "./operations.js";
import { KINDS, SeatMap, seatIcon } from "./seats.js";
import { labels, moment, refusalText, seatsTaken } from "./texts.js";

const MAX_SEATS = 10; // seats of one choice
const AWAY = 60_000; // milliseconds after which a page that nobody sees gives up its stream

const at = (id) => document.getElementById(id);
const number = at("picker").dataset.show;
const showId = btoa(`Show:${number}`); // the graph's id of the show that REST knows by its number

let show = null;
let version = null; // of the map, for the stream to go on from
let holds = []; // the visitor's own, of this show
let bookings = []; // likewise
let moving = null; // the booking that is to get another seat
const seats = new Map(); // by seat number: { seatNumber, label, status, mine }
const chosen = new Set(); // of seat numbers

const map = new SeatMap(at("seats"), choose);

// --- The state of the show --------------------------------------------------------------------

/** Load everything and show it. */
async function load() {
  const release = await quiet();
  try {
    const answer = await readShow();
    if (!answer.show) return leave();
    show = answer.show;
    version = show.seatMap.version;
    holds = (answer.myHolds?.nodes ?? []).filter((hold) => hold.show.id === show.id);
    bookings = (answer.myBookings?.nodes ?? []).filter((booking) => booking.show.id === show.id);
    if (!bookings.some(({ id }) => id === moving?.id)) moving = null;
    at("who").textContent = answer.me ? `Signed in as ${answer.me.username}` : "";
    showMap(show.seatMap.rows);
    render();
  } finally {
    release();
  }
}

async function readShow() {
  try {
    return await ask(PICKER, { show: showId, signedIn: isSignedIn() }, showPause);
  } catch (fault) {
    if (!fault.isAboutTheToken) throw fault;
    showMessage(fault.message, "refusal");
    return ask(PICKER, { show: showId, signedIn: false }, showPause);
  }
}

function showMap(rows) {
  const layout = JSON.stringify(rows.map(({ row, seats }) => [row, seats.map(({ seatNumber }) => seatNumber)]));
  if (layout !== showMap.layout) {
    showMap.layout = layout;
    map.draw(rows);
    resize();
    at("scroller").scrollLeft = (at("scroller").scrollWidth - at("scroller").clientWidth) / 2;
  }
  seats.clear();
  for (const seat of rows.flatMap((row) => row.seats)) seats.set(seat.seatNumber, { ...seat });
  dropTaken();
}

/** Apply a change of the stream. */
function change({ version: newer, seats: changed }) {
  version = newer;
  const isLayout = changed.some(({ seatNumber, label }) => seats.get(seatNumber)?.label !== label);
  if (isLayout) return attempt(load); // staff gave the show other rows
  for (const { seatNumber, status } of changed) {
    const seat = seats.get(seatNumber);
    if (seat.status !== status) Object.assign(seat, { status, mine: isOwn(seatNumber, status) });
  }
  dropTaken();
  render();
}

/** Whether a seat is the visitor's. The stream names nobody; the page knows it from its own mutations. */
function isOwn(seatNumber, status) {
  const has = (seat) => seat.seatNumber === seatNumber;
  return status === "HELD" ? holds.some((hold) => hold.seats.some(has)) : status === "BOOKED" && bookings.some(has);
}

/** Give up chosen seats that somebody else has taken. */
function dropTaken() {
  const taken = [...chosen].filter((seatNumber) => seats.get(seatNumber)?.status !== "AVAILABLE");
  if (!taken.length) return;
  for (const seatNumber of taken) chosen.delete(seatNumber);
  const others = taken.map((seatNumber) => seats.get(seatNumber)).filter((seat) => seat && !seat.mine);
  if (others.length) showMessage(seatsTaken(others), "refusal");
}

function leave() {
  stream.abort();
  at("picker").dataset.gone = "";
  showMessage("This show has been taken off the programme.", "refusal", [{ href: "/", text: "See what is on." }]);
}

// --- Live -------------------------------------------------------------------------------------

let stream = new AbortController();
let waiting = null; // changes that came while an answer was on its way
const turns = [];

async function live() {
  stream = new AbortController();
  const { signal } = stream;
  while (!signal.aborted) {
    try {
      await follow(CHANGES, () => ({ show: showId, since: version }), {
        signal,
        next: ({ seatMapChanged }) => (waiting ? waiting.push(seatMapChanged) : change(seatMapChanged)),
        state: showConnection,
      });
    } catch (fault) {
      // The version means nothing to the service any more, or the show is gone: begin anew.
      showConnection("lost");
      await sleep(5000, { signal });
      if (!signal.aborted) await attempt(load);
    }
  }
}

function showConnection(state) {
  if (at("live").dataset.state === state) return;
  at("live").dataset.state = state;
  at("live").textContent = state === "live" ? "Live" : "Connection lost. Trying again…";
}

/**
 * Defer changes of the stream until an answer is in; returns the function that ends it.
 *
 * One's own hold may be in the stream before its answer is in, and would be taken for somebody else's.
 */
async function quiet() {
  const before = turns.at(-1);
  let release;
  const turn = new Promise((done) => (release = done));
  turns.push(turn);
  waiting ??= [];
  await before;
  return () => {
    turns.shift();
    release();
    if (turns.length) return;
    const changes = waiting;
    waiting = null;
    changes.forEach(change);
  };
}

// A browser opens at most six connections to a server, so hidden tabs give theirs up.
let away;
document.addEventListener("visibilitychange", () => {
  clearTimeout(away);
  if (document.hidden) away = setTimeout(() => stream.abort(), AWAY);
  else if (show) attempt(load).then(() => stream.signal.aborted && live());
});

// --- Actions of the visitor -------------------------------------------------------------------

function choose(seatNumber) {
  const seat = seats.get(seatNumber);
  if (hasBegun()) showMessage("The show has begun: its seats can't be booked any more.", "refusal");
  else if (chosen.delete(seatNumber)) render();
  else if (seat.status !== "AVAILABLE") showMessage(`Seat ${seat.label} is ${KINDS[kindOf(seat)].text}.`, "refusal");
  else if (moving) move(seat);
  else if (chosen.size === MAX_SEATS) showMessage("Ten seats can be chosen at a time.", "refusal");
  else {
    chosen.add(seatNumber);
    render();
  }
}

const hold = (wanted) =>
  perform("To hold seats, please sign in.", HOLD, { showId, ...wanted }, (made) => {
    chosen.clear();
    holds.push(made);
    mark(made.seats, "HELD");
    showMessage(`Held for you: ${labels(made.seats)}. Confirm before the time is over.`);
    return focus(`[data-id="${made.id}"] [data-do="confirm"]`);
  });

const book = () =>
  perform("To book seats, please sign in.", BOOK, { showId, seatNumbers: inOrder(chosen) }, (made) => booked(made.bookings));

const confirm = (held) =>
  perform("To confirm, please sign in.", CONFIRM, { holdId: held.id }, (made) => {
    holds = holds.filter(({ id }) => id !== held.id);
    booked(made.bookings);
  });

function booked(made) {
  chosen.clear();
  bookings.push(...made);
  mark(made, "BOOKED");
  showMessage(`Booked: ${labels(made)}. Enjoy the film!`);
  focus("#bookings-title");
}

const extend = (held) =>
  perform("To hold them longer, please sign in.", EXTEND, { holdId: held.id }, (made) => {
    holds = holds.map((other) => (other.id === made.id ? made : other));
    showMessage(`${labels(made.seats)}: held until ${moment(made.expiresAt, "time")}.`);
  });

const release = (held) =>
  perform("To release them, please sign in.", RELEASE, { holdId: held.id }, () => {
    holds = holds.filter(({ id }) => id !== held.id);
    mark(held.seats, "AVAILABLE");
    showMessage(`Released: ${labels(held.seats)}.`);
    map.focus();
  });

async function cancel(booking) {
  if (!(await sure(`Cancel seat ${booking.label}?`))) return;
  await perform("To cancel, please sign in.", CANCEL, { bookingId: booking.id }, () => {
    bookings = bookings.filter(({ id }) => id !== booking.id);
    mark([booking], "AVAILABLE");
    showMessage(`Cancelled: seat ${booking.label} is free again.`);
    if (bookings.length) focus("#bookings-title");
    else map.focus();
  });
}

function beginMove(booking) {
  moving = booking;
  chosen.clear();
  render();
  showMessage(`Choose the seat to move to from ${booking.label}.`);
  map.focus();
}

const move = (seat) =>
  perform("To move, please sign in.", MOVE, { bookingId: moving.id, seatNumber: seat.seatNumber }, (made) => {
    const left = moving;
    moving = null;
    bookings = bookings.map((other) => (other.id === made.id ? made : other));
    mark([left], "AVAILABLE");
    mark([made], "BOOKED");
    showMessage(`Moved: your seat is ${made.label} now, and ${left.label} is free again.`);
  });

async function suggest() {
  await attempt(async () => {
    const { show } = await ask(BEST, { show: showId, ...bestWanted() }, showPause);
    if (show.bestSeats.code) return refuse(show.bestSeats);
    moving = null;
    chosen.clear();
    for (const seatNumber of show.bestSeats.seatNumbers) chosen.add(seatNumber);
    showMessage(`Chosen: ${show.bestSeats.labels.join(", ")}. Nobody holds them yet.`);
    dropTaken();
    render();
  });
}

function bestWanted() {
  const { quantity, allowSplit } = at("best").elements;
  return { quantity: quantity.valueAsNumber, allowSplit: allowSplit.checked };
}

// --- Performing a mutation --------------------------------------------------------------------

/** Sign in if necessary, send a mutation, and show its outcome: call `done`, or show the refusal. */
async function perform(why, mutation, input, done) {
  if ("busy" in document.body.dataset) return showMessage("One moment: the last step is still being answered.");
  document.body.dataset.busy = "";
  try {
    await attempt(async () => {
      const wasSignedIn = isSignedIn();
      if (!(await signedIn(why))) return showMessage("Nothing was done.");
      if (!wasSignedIn) await load();
      const release = await quiet();
      try {
        const outcome = await act(mutation, input, showPause);
        if (outcome.code) await refuse(outcome);
        else done(outcome);
        render();
      } finally {
        release();
      }
      if (perform.mustLoad) await load();
    });
  } finally {
    perform.mustLoad = false;
    delete document.body.dataset.busy;
  }
}

function refuse(refusal) {
  const { text, links } = refusalText(refusal, seats);
  for (const seatNumber of refusal.seatNumbers ?? [refusal.seatNumber]) chosen.delete(seatNumber);
  showMessage(text, "refusal", links);
  perform.mustLoad = true; // something is not as the page shows it
}

/** Do something that may fail for want of an answer, and show the fault. */
async function attempt(something) {
  try {
    return await something();
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    if (fault.isAboutTheToken) await load().catch(() => {});
    showMessage(fault.code === "no_answer" ? `${fault.message} Try again: nothing is done twice.` : fault.message, "refusal");
  }
}

function showPause(fault, pause) {
  showMessage(`${fault.message} Trying again in ${Math.max(1, Math.round(pause / 1000))} s.`, "refusal");
}

function sure(question) {
  const dialog = at("sure");
  at("sure-title").textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

// --- Rendering --------------------------------------------------------------------------------

function kindOf({ seatNumber, status, mine }) {
  if (chosen.has(seatNumber)) return "chosen";
  return (mine ? "mine-" : "") + status.toLowerCase();
}

function mark(marked, status) {
  for (const { seatNumber } of marked) Object.assign(seats.get(seatNumber), { status, mine: status !== "AVAILABLE" });
}

function inOrder(numbers) {
  return [...numbers].sort((one, other) => one - other);
}

function render() {
  for (const seat of seats.values()) map.paint(seat.seatNumber, kindOf(seat), seat.label);
  renderShow();
  renderChoice();
  renderLists();
}

function renderShow() {
  at("film").textContent = show.movie.title;
  document.title = `${show.movie.title}: choose your seats`;
  at("when").textContent = `${moment(show.dateTime)} · ${show.screenName} · ${show.movie.durationMinutes} minutes`;
  const left = [...seats.values()].filter(({ status }) => status === "AVAILABLE").length;
  at("left").textContent = `${left} of ${seats.size} seats available`;
  at("session").textContent = isSignedIn() ? "Sign out" : "Sign in";
  at("session").hidden = false;
}

function renderChoice() {
  const picked = inOrder(chosen).map((seatNumber) => seats.get(seatNumber));
  const count = picked.length === 1 ? "1 seat" : `${picked.length} seats`;
  const nothing = hasBegun() ? "The show has begun: its seats can't be booked any more." : "Choose up to ten seats on the map.";
  at("chosen").textContent = picked.length ? `${count}: ${labels(picked)}` : nothing;
  at("best").hidden = hasBegun();
  at("choice").dataset.empty = !picked.length;
  at("choice").hidden = Boolean(moving);
  at("choice").querySelector(".buttons").hidden = !picked.length;
  at("hold").textContent = `Hold ${count}`;
  at("moving").hidden = !moving;
  if (moving) at("moving-title").textContent = `Move from ${moving.label}`;
}

function renderLists() {
  at("holds").hidden = !holds.length;
  list("hold-list", holds, (held) => [
    element("p", { className: "seats" }, labels(held.seats)),
    element("p", {}, ["Held for another ", element("time", { className: "countdown", role: "timer" })]),
    buttons(held, { confirm: "Confirm booking", extend: "Extend", release: "Release" }, labels(held.seats)),
  ]);
  at("bookings").hidden = !bookings.length;
  const sorted = bookings.toSorted((one, other) => one.seatNumber - other.seatNumber);
  list("booking-list", sorted, (booking) => [
    element("p", { className: "seats" }, `Seat ${booking.label}`),
    hasBegun() ? "" : buttons(booking, { move: "Move", cancel: "Cancel" }, booking.label),
  ]);
  countDown();
}

/** Replace the rows of a list, and leave the focus on the button that has it. */
function list(id, rows, written) {
  const { id: row, do: verb } = document.activeElement?.closest?.(`#${id} [data-do]`)?.dataset ?? {};
  at(id).replaceChildren(
    ...rows.map((one) => {
      const line = element("li", {}, written(one));
      line.dataset.id = one.id;
      return line;
    }),
  );
  if (verb) focus(`[data-do="${verb}"][data-id="${row}"]`);
}

function buttons({ id }, verbs, whose) {
  const made = Object.entries(verbs).map(([verb, text], index) => {
    const button = element("button", { type: "button", className: index || verb === "move" ? "" : "main" }, text);
    button.setAttribute("aria-label", `${text}: ${whose}`);
    Object.assign(button.dataset, { do: verb, id });
    return button;
  });
  return element("div", { className: "buttons" }, made);
}

function element(name, properties, content = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[content].flat());
  return made;
}

/** Show a message; screen readers read it out. */
function showMessage(text, kind = "", links = []) {
  const anchors = links.map(({ href, text }) => element("a", { href }, text));
  at("message").replaceChildren(text, ...anchors.flatMap((anchor) => [" ", anchor]));
  at("message").dataset.kind = kind;
}

function focus(selector) {
  render();
  document.querySelector(selector)?.focus();
}

// --- Time -------------------------------------------------------------------------------------

const reminded = new Set(); // holds whose last minute was announced

function countDown() {
  for (const held of holds) {
    const left = Math.max(0, Math.ceil((Date.parse(held.expiresAt) - now()) / 1000));
    const clock = at("hold-list").querySelector(`[data-id="${held.id}"] time`);
    if (clock) clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left > 50 && left <= 60 && !reminded.has(held.id + held.expiresAt)) {
      reminded.add(held.id + held.expiresAt);
      showMessage(`One minute left to confirm ${labels(held.seats)}.`);
    }
  }
}

setInterval(() => {
  countDown();
  const over = holds.filter(({ expiresAt }) => now() > Date.parse(expiresAt) + 300); // by whichever clock
  if (!over.length || "busy" in document.body.dataset) return;
  holds = holds.filter((held) => !over.includes(held));
  showMessage(`Your time for ${labels(over.flatMap((held) => held.seats))} is over: the hold has run out.`, "refusal");
  attempt(load);
}, 250);

function hasBegun() {
  return show !== null && now() >= Date.parse(show.dateTime);
}

// --- The size of the map ----------------------------------------------------------------------

let zoom = 1;

function resize() {
  if (map.width) map.resize(map.fitting(at("scroller").clientWidth) * zoom);
}

function zoomBy(factor) {
  zoom = Math.max(0.4, Math.min(2.5, zoom * factor));
  resize();
}

new ResizeObserver(resize).observe(at("scroller"));
at("larger").addEventListener("click", () => zoomBy(1.25));
at("smaller").addEventListener("click", () => zoomBy(0.8));

// --- Events -----------------------------------------------------------------------------------

at("hold").addEventListener("click", () => hold({ seatNumbers: inOrder(chosen) }));
at("book").addEventListener("click", book);
at("clear").addEventListener("click", () => {
  chosen.clear();
  render();
  map.focus();
});
at("stay").addEventListener("click", stay);
at("best").addEventListener("submit", (event) => {
  event.preventDefault();
  suggest();
});
at("hold-best").addEventListener("click", () => {
  const { quantity: best, allowSplit } = bestWanted();
  if (at("best").reportValidity()) hold({ best, allowSplit });
});
at("hold-list").addEventListener("click", pressed(() => holds, { confirm, extend, release }));
at("booking-list").addEventListener("click", pressed(() => bookings, { move: beginMove, cancel }));
at("session").addEventListener("click", async () => {
  if (isSignedIn()) {
    await signOut();
    moving = null;
    showMessage("Signed out.");
  } else if (!(await signedIn())) return;
  attempt(load);
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && moving && stay());

function pressed(rows, verbs) {
  return ({ target }) => {
    const { do: verb, id } = target.closest("[data-do]")?.dataset ?? {};
    const row = rows().find((one) => one.id === id);
    if (row) verbs[verb](row);
  };
}

function stay() {
  showMessage(`You keep seat ${moving.label}.`);
  moving = null;
  render();
}

at("legend").append(...Object.entries(KINDS).map(([kind, { text }]) => element("li", {}, [seatIcon(kind), text])));
attempt(load).then(() => show && live());

// The programme of the coming days: by day and film, with a link to the seats of each show.

import { Fault, ask, now } from "./graph.js";

const DAYS = 7;
const PROGRAMME = `query Programme($after: String, $from: DateTime!, $to: DateTime!) {
  movies(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      title durationMinutes
      shows(first: 100, from: $from, to: $to) { nodes { databaseId screenName dateTime totalSeats availableSeats } }
    }
  }
}`;

const at = (id) => document.getElementById(id);
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const shortDay = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
const zone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "long" });

async function programme() {
  const from = new Date(now());
  const period = { from: from.toISOString(), to: new Date(from.getTime() + DAYS * 24 * 3600 * 1000).toISOString() };
  const shows = [];
  for (let after = null; ; ) {
    const { movies } = await ask(PROGRAMME, { ...period, after }, (fault) => showMessage(`${fault.message} Trying again…`));
    for (const movie of movies.nodes) shows.push(...movie.shows.nodes.map((show) => ({ ...show, movie })));
    if (!movies.pageInfo.hasNextPage) return shows.sort((one, other) => one.dateTime.localeCompare(other.dateTime));
    after = movies.pageInfo.endCursor;
  }
}

function draw(shows) {
  const byDay = grouped(shows, (show) => day.format(new Date(show.dateTime)));
  at("programme").replaceChildren(...[...byDay].map(([name, shows], index) => drawDay(name, shows, index)));
  at("days").replaceChildren(
    ...[...byDay.values()].map(([first], index) =>
      element("a", { href: `#day-${index}` }, shortDay.format(new Date(first.dateTime))),
    ),
  );
  showMessage(shows.length ? "" : "Nothing is on in the coming days.");
}

function drawDay(name, shows, index) {
  const films = grouped(shows, ({ movie }) => movie);
  return element("section", { className: "day", id: `day-${index}` }, [
    element("h2", {}, name),
    element("div", { className: "films" }, [...films].map(([movie, shows]) => drawFilm(movie, shows))),
  ]);
}

function drawFilm({ title, durationMinutes }, shows) {
  return element("article", { className: "film" }, [
    element("h3", {}, title),
    element("p", { className: "soft" }, `${durationMinutes} minutes`),
    element("ul", {}, shows.map((show) => element("li", {}, drawShow(show)))),
  ]);
}

function drawShow({ databaseId, dateTime, screenName, totalSeats, availableSeats }) {
  const left = availableSeats ? `${availableSeats} of ${totalSeats} left` : "sold out";
  return element("a", { className: "slot", href: `/shows/${databaseId}/picker/` }, [
    element("time", { dateTime }, time.format(new Date(dateTime))),
    element("span", { className: "where" }, screenName),
    element("span", { className: availableSeats ? "soft" : "none" }, left),
  ]);
}

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
}

function element(name, properties, content = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[content].flat());
  return made;
}

function showMessage(text) {
  at("message").textContent = text;
}

at("zone").textContent = `Times are ${zone.formatToParts().find(({ type }) => type === "timeZoneName").value}.`;
try {
  draw(await programme());
} catch (fault) {
  if (!(fault instanceof Fault)) throw fault;
  showMessage(`${fault.message} Please try again later.`);
}

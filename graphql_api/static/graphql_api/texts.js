// Texts for visitors: seats, times, and refusals. A refusal's text depends on its `code`, which does not change.

const and = new Intl.ListFormat("en-GB");

/** Labels in a sentence: `B7 and B8`. */
export function labels(seats) {
  return and.format(seats.map(({ label }) => label));
}

export function seatsTaken(seats) {
  return seats.length === 1
    ? `Seat ${labels(seats)} has just been taken.`
    : `Seats ${labels(seats)} have just been taken.`;
}

const FORMATS = {
  long: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  short: { weekday: "short", day: "numeric", month: "short" },
  time: {},
};

/** A moment in the visitor's own time zone, which is named. */
export function moment(iso, format = "long") {
  const parts = { ...FORMATS[format], hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  return new Intl.DateTimeFormat("en-GB", parts).format(new Date(iso));
}

/** The text of a refusal, with links; `known` are the seats by their numbers. */
export function refusalText(refusal, known) {
  const { code, message, fields } = refusal;
  const concerned = (refusal.seatNumbers ?? [refusal.seatNumber]).map((seatNumber) => known.get(seatNumber)).filter(Boolean);
  if (fields) return { text: fields.flatMap(({ messages }) => messages).join(" ") || message };
  if (TEXTS[code]) return TEXTS[code](refusal, concerned);
  return { text: message };
}

const TEXTS = {
  seats_unavailable: (_, seats) => ({ text: seatsTaken(seats) }),
  seat_taken: (_, seats) => ({ text: seatsTaken(seats) }),
  seat_held: (_, seats) => ({ text: seatsTaken(seats) }),
  seat_blocked: (_, seats) => ({ text: `Seat ${labels(seats)} is not for sale.` }),
  too_many_held: ({ limit, held }) => ({
    text: `At most ${limit} seats of a show are held for one visitor, and ${held} are held for you.`,
  }),
  no_adjacent_seats: ({ largestBlock, alternatives }) => ({
    text: [
      largestBlock ? `The most seats side by side are ${largestBlock}.` : "No seat is available.",
      alternatives.length ? "Later shows of the film that have them:" : "",
    ].join(" "),
    links: alternatives.map(({ databaseId, dateTime, screenName }) => ({
      href: `/shows/${databaseId}/picker/`,
      text: `${moment(dateTime, "short")}, ${screenName}`,
    })),
  }),
  hold_expired: () => ({ text: "The hold has run out. Choose again: the seats may still be free." }),
  not_found: () => ({ text: "It is not there any more." }),
};

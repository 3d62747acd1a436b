// Mounts GraphiQL with the explorer, a field for the token, and a tour in tabs, from signing up to watching seats.
"use strict";

const TOUR = [
  {
    query: `# 1. Open an account: press ▶,
#    then go on to the next tab.
mutation SignUp {
  signup(input: {
    username: "alice"
    password: "correct horse battery"
  }) {
    ... on User { id username }
    ... on InvalidInput { fields { field messages } }
    ... on Refusal { code message }
  }
}
`,
    // Without variables: GraphiQL 2.4 shows those of the first tab only when it is taken a second time.
  },
  {
    query: `# 2. Log in. The access token goes into the
#    field above, and from there into queries.
mutation LogIn($input: LoginInput!) {
  login(input: $input) {
    ... on TokenPair { access refresh }
    ... on Refusal { code message }
  }
}
`,
    variables: { input: { username: "alice", password: "correct horse battery" } },
  },
  {
    query: `# 3. Look for a show with an available seat,
#    and copy its id.
query Programme($first: Int) {
  movies(first: $first) {
    totalCount
    nodes {
      title
      durationMinutes
      shows(first: 3, available: true) {
        nodes {
          id
          dateTime
          screenName
          totalSeats
          availableSeats
        }
      }
    }
  }
}
`,
    variables: { first: 5 },
  },
  {
    query: `# 4. Paste the show's id below, book a seat,
#    and copy the id of the booking.
mutation BookSeat($input: BookSeatInput!) {
  bookSeat(input: $input) {
    ... on Booking {
      id
      seatNumber
      status
      show { dateTime availableSeats movie { title } }
    }
    ... on SeatTaken { seatNumber }
    ... on SeatOutOfRange { min max }
    ... on Refusal { code message }
  }
}
`,
    variables: { input: { showId: "the id of a show", seatNumber: 7 } },
  },
  {
    query: `# 5. See what you have.
query MyBookings($upcoming: Boolean) {
  me { username }
  myBookings(upcoming: $upcoming) {
    totalCount
    nodes {
      id
      seatNumber
      status
      show { dateTime screenName movie { title } }
    }
  }
}
`,
    variables: { upcoming: true },
  },
  {
    query: `# 6. Paste the booking's id below, and cancel
#    it; the seat is free at once.
mutation CancelBooking($input: CancelBookingInput!) {
  cancelBooking(input: $input) {
    ... on Booking { id status cancelledAt }
    ... on Refusal { code message }
  }
}
`,
    variables: { input: { bookingId: "the id of a booking" } },
  },
  {
    query: `# 7. Paste the show's id below, press ▶, and
#    book in another window: changes are
#    shown here as they happen. ■ ends it.
subscription WatchSeats($showId: ID!, $since: String) {
  seatMapChanged(showId: $showId, since: $since) {
    version
    seats { seatNumber label status }
  }
}
`,
    variables: { showId: "the id of a show" },
  },
];

const EVENTS = "text/event-stream";

const token = document.getElementById("token");
const message = document.getElementById("message");
const TOKEN = "movie-ticket-booking:token";

function setToken(access) {
  token.value = access;
  sessionStorage.setItem(TOKEN, access);
}

/** The token alone, also where it was pasted with its scheme or with the quotes of the JSON around it. */
function bearer() {
  return token.value.trim().replace(/^Bearer\s+/i, "").replace(/^"(.*)"$/, "$1");
}

async function ask(operation, options = {}) {
  const introspecting = operation.operationName === "IntrospectionQuery";
  // GraphiQL learns a moment late that another tab was taken, and still sends the name of the one before.
  const { operationName: name, ...unnamed } = operation;
  const defined = new RegExp(`\\b(query|mutation|subscription)\\s+${name}\\b`).test(operation.query);
  const started = performance.now();
  const sent = introspecting ? "" : bearer(); // an expired token must not take the documentation away
  const leaving = new AbortController();
  let response, text;
  try {
    const accepted = subscribes(operation.query, defined && name) ? EVENTS : "application/json";
    const headers = new Headers({ "Content-Type": "application/json", Accept: accepted });
    if (sent) headers.set("Authorization", `Bearer ${sent}`);
    // What is written under "Headers" overrides these, in upper or lower case.
    for (const [header, value] of Object.entries(options.headers || {})) headers.set(header, value);
    response = await fetch(location.pathname, {
      method: "POST",
      credentials: "omit", // the token alone authenticates
      headers,
      body: JSON.stringify(defined ? operation : unnamed),
      signal: leaving.signal,
    });
    if (response.ok && (response.headers.get("Content-Type") || "").startsWith(EVENTS)) {
      showMessage("watching");
      return watching(response, leaving);
    }
    text = await response.text();
  } catch (fault) {
    showMessage("no answer");
    return failure(`There is no answer from ${location.origin}${location.pathname}: ${fault.message}`);
  }
  const duration = Math.round(performance.now() - started);
  const id = response.headers.get("X-Request-ID");
  const status = [`HTTP ${response.status}`, `${duration} ms`, ...(id ? [`request ${id}`] : [])].join(" · ");
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    showMessage(status);
    return failure(`HTTP ${response.status} ${response.statusText} is not JSON: ${text.slice(0, 500)}`);
  }
  if (introspecting) return answer;
  const pair = Object.values(answer.data || {}).find((result) => result && result.access); // of any name or alias
  if (pair) setToken(pair.access);
  if (refused(answer, sent, options.headers)) {
    // Sent again, it would refuse the very login that replaces it.
    setToken("");
    showMessage("The token was refused and is taken out: log in again.");
  } else {
    showMessage(status);
  }
  return answer;
}

/** Whether it is a subscription, by its text: the document that GraphiQL hands over may be of the tab before. */
function subscribes(query, name) {
  const text = query.replace(/#.*$/gm, "");
  return new RegExp(name ? `\\bsubscription\\s+${name}\\b` : "^[\\s,]*subscription\\b").test(text);
}

/** The results of a subscription, one by one. Leaving the loop early closes the connection. */
function watching(response, leaving) {
  const results = resultsOf(response, leaving.signal);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => results.next(),
    async return() {
      leaving.abort(); // the generator itself would wait for the next event
      showMessage("no longer watching");
      return { done: true, value: undefined };
    },
  };
}

async function* resultsOf(response, left) {
  try {
    for await (const { event, data } of eventsOf(response)) {
      if (event === "complete") {
        showMessage("There is nothing more to watch.");
        return;
      }
      showMessage(`watching · ${new Date().toLocaleTimeString()}`);
      yield JSON.parse(data);
    }
    showMessage("The stream has ended: press ▶ to watch again.");
  } catch (fault) {
    if (!left.aborted) showMessage(`The stream broke off: ${fault.message}`);
  }
}

/** Server-sent events: blocks of "name: value" lines, with an empty line after each; a line without a name is none. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let heard = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (heard + value).split("\n\n");
    heard = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").map((line) => line.split(/: ?(.*)/s, 2));
      const event = Object.fromEntries(lines.filter(([name]) => name));
      if (event.event) yield event;
    }
  }
}

function refused(answer, sent, headers) {
  const own = Object.keys(headers || {}).some((header) => header.toLowerCase() === "authorization");
  const codes = (answer.errors || []).map((error) => error.extensions && error.extensions.code);
  return Boolean(sent) && !own && codes.includes("token_not_valid") && sent === bearer();
}

function failure(message) {
  return { errors: [{ message }] };
}

function showMessage(text) {
  message.textContent = text;
}

function App() {
  const [query, setQuery] = React.useState();
  const explorer = GraphiQLPluginExplorer.useExplorerPlugin({ query, onEdit: setQuery, showAttribution: false });
  return React.createElement(GraphiQL, {
    fetcher: ask,
    query,
    onEditQuery: setQuery,
    plugins: [explorer],
    defaultTabs: TOUR.map(({ query, variables }) => ({ query, variables: variables && JSON.stringify(variables, null, 2) })),
    defaultEditorToolsVisibility: "variables",
  });
}

token.value = sessionStorage.getItem(TOKEN) || "";
token.addEventListener("input", () => setToken(token.value));
document.getElementById("who").addEventListener("submit", (event) => event.preventDefault());
ReactDOM.render(React.createElement(App), document.getElementById("graphiql"));

// Mounts GraphiQL with the explorer, one place for the token, and a walk from signing up to cancelling.
"use strict";

const WALK = [
  `# 1. Open an account. Run it with ▶, then go on to the next tab.
mutation SignUp {
  signup(input: { username: "alice", password: "correct horse battery" }) {
    ... on User { id username }
    ... on InvalidInput { code fields { field messages } }
    ... on Refusal { code message }
  }
}
`,
  `# 2. Log in. The access token goes into the field above, and from there into every query.
mutation LogIn {
  login(input: { username: "alice", password: "correct horse battery" }) {
    ... on TokenPair { access refresh }
    ... on Refusal { code message }
  }
}
`,
  `# 3. Look for a show that has an available seat, and copy its id.
query Programme {
  movies(first: 5) {
    totalCount
    nodes {
      title
      durationMinutes
      shows(first: 3, available: true) {
        nodes { id dateTime screenName totalSeats availableSeats }
      }
    }
  }
}
`,
  `# 4. Book a seat of it, and copy the id of the booking.
mutation BookSeat {
  bookSeat(input: { showId: "PASTE THE ID OF A SHOW", seatNumber: 7 }) {
    ... on Booking { id seatNumber status show { dateTime movie { title } availableSeats } }
    ... on SeatTaken { code message seatNumber }
    ... on SeatOutOfRange { code message min max }
    ... on Refusal { code message }
  }
}
`,
  `# 5. See what you have.
query MyBookings {
  me { username }
  myBookings(upcoming: true) {
    totalCount
    nodes { id seatNumber status show { dateTime screenName movie { title } } }
  }
}
`,
  `# 6. Cancel it; the seat is free at once.
mutation CancelBooking {
  cancelBooking(input: { bookingId: "PASTE THE ID OF A BOOKING" }) {
    ... on Booking { id status cancelledAt }
    ... on Refusal { code message }
  }
}
`,
];

const token = document.getElementById("token");
token.value = sessionStorage.getItem("token") || "";
token.addEventListener("input", () => sessionStorage.setItem("token", token.value.trim()));
document.getElementById("who").addEventListener("submit", (event) => event.preventDefault());

async function ask(operation, options) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (token.value.trim()) headers.Authorization = `Bearer ${token.value.trim()}`;
  Object.assign(headers, options && options.headers);
  const response = await fetch(window.location.pathname, {
    method: "POST",
    credentials: "omit",
    headers,
    body: JSON.stringify(operation),
  });
  const answer = await response.json();
  const access = answer.data && answer.data.login && answer.data.login.access;
  if (access) {
    token.value = access;
    sessionStorage.setItem("token", access);
  }
  return answer;
}

function App() {
  const [query, setQuery] = React.useState();
  const explorer = GraphiQLPluginExplorer.useExplorerPlugin({ query, onEdit: setQuery, showAttribution: false });
  return React.createElement(GraphiQL, {
    fetcher: ask,
    query,
    onEditQuery: setQuery,
    plugins: [explorer],
    defaultTabs: WALK.map((text) => ({ query: text })),
    defaultEditorToolsVisibility: "variables",
  });
}

ReactDOM.render(React.createElement(App), document.getElementById("graphiql"));

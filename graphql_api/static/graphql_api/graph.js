// A small client of the graph: queries, mutations that are safe to repeat, a session, and live streams.

const ADDRESS = "/graphql/";
const PATIENCE = 15_000; // milliseconds for an answer
const SILENCE = 40_000; // milliseconds without a heartbeat, after which a stream is taken for lost; two are missing then
const TRIES = 5;
const MAX_PAUSE = 30_000;

/** Why there is no answer. A refusal is none of these: it is an answer. */
export class Fault extends Error {
  /** `passing`: it may be different in a moment, and asking again does no harm. */
  constructor(code, message, { passing = false, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { code, passing, retryAfter });
  }

  get isAboutTheToken() {
    return this.code === "token_not_valid" || this.code === "not_authenticated";
  }
}

// --- Queries and mutations --------------------------------------------------------------------

/** Send a query until there is an answer; returns its `data`. `onPause` is called before each pause. */
export function ask(query, variables = {}, onPause = () => {}) {
  return persist(() => withToken((token) => send(query, variables, token)), onPause);
}

const unanswered = new Map(); // what was sent and not answered, to its key

/**
 * Send a mutation until there is an answer; returns the member of the union.
 *
 * The idempotency key makes it safe: a repeated request gets the first outcome. It is remembered until there is an
 * answer, so that a visitor who gives up and presses the button again does not book twice.
 */
export async function act(mutation, input, onPause = () => {}) {
  const request = JSON.stringify([mutation, input]);
  if (!unanswered.has(request)) unanswered.set(request, newKey());
  const keyed = { input: { ...input, idempotencyKey: unanswered.get(request) } };
  const result = await persist(async () => {
    const [outcome] = Object.values(await withToken((token) => send(mutation, keyed, token)));
    if (outcome.code === "idempotency_in_progress") throw new Fault(outcome.code, outcome.message, { passing: true });
    return outcome;
  }, onPause);
  unanswered.delete(request);
  return result;
}

function newKey() {
  // Not randomUUID(), which pages that came over plain HTTP do not have.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function persist(attempt, onPause) {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (fault) {
      if (!fault.passing || tries === TRIES) throw fault;
      const pause = fault.retryAfter * 1000 || growing(tries);
      if (pause > MAX_PAUSE) throw fault;
      onPause(fault, pause);
      await sleep(pause);
    }
  }
}

async function send(query, variables, token) {
  const response = await post(query, variables, token, "application/json", AbortSignal.timeout(PATIENCE));
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw noAnswer(response); // a proxy's page, or cut off half way
  }
  if (!answer.data) throw faultOf(answer.errors, response);
  return answer.data;
}

async function post(query, variables, token, accept, signal) {
  const headers = { "Content-Type": "application/json", Accept: accept };
  if (token) headers.Authorization = `Bearer ${token}`;
  const sent = Date.now();
  try {
    const body = JSON.stringify({ query, variables });
    const response = await fetch(ADDRESS, { method: "POST", credentials: "omit", headers, body, signal });
    learnTheTime(response, sent);
    return response;
  } catch {
    throw noAnswer();
  }
}

function noAnswer(response) {
  const passing = !response || response.ok || PASSING.includes(response.status);
  return new Fault("no_answer", "The service does not answer.", { passing, retryAfter: retryAfter(response) });
}

const PASSING = [429, 502, 503, 504];

function faultOf(errors, response) {
  const { message, extensions = {} } = errors?.[0] ?? {};
  return new Fault(extensions.code ?? "internal_error", message ?? "Something went wrong.", {
    passing: PASSING.includes(response?.status),
    retryAfter: retryAfter(response),
  });
}

function retryAfter(response) {
  return Number(response?.headers.get("Retry-After")) || 0;
}

// --- The session ------------------------------------------------------------------------------

// In sessionStorage, since a refresh token can be spent only once: two tabs that shared one would sign each other out.
const SESSION = "movie-ticket-booking:session";

export function isSignedIn() {
  return sessionStorage.getItem(SESSION) !== null;
}

const REFUSAL = "... on Refusal { code message }";
const PAIR = `__typename ... on TokenPair { access refresh } ${REFUSAL}`;

/** Open an account; gives null, or the refusal. */
export async function signUp(input) {
  const { signup } = await send(
    `mutation SignUp($input: SignupInput!) {
      signup(input: $input) { __typename ${REFUSAL} ... on InvalidInput { fields { field messages } } }
    }`,
    { input },
  );
  return signup.__typename === "User" ? null : signup;
}

/** Begin a session; gives null, or the refusal. */
export async function signIn(input) {
  const { login } = await send(`mutation LogIn($input: LoginInput!) { login(input: $input) { ${PAIR} } }`, { input });
  if (login.__typename !== "TokenPair") return login;
  sessionStorage.setItem(SESSION, JSON.stringify(login));
  return null;
}

export async function signOut() {
  const { refresh } = tokens() ?? {};
  sessionStorage.removeItem(SESSION);
  if (refresh) {
    // The session is over here whatever the answer is; a refresh token that was not spent expires by itself.
    await send("mutation LogOut($input: LogoutInput!) { logout(input: $input) { __typename } }", {
      input: { refresh },
    }).catch(() => {});
  }
}

function tokens() {
  return JSON.parse(sessionStorage.getItem(SESSION));
}

/** Send with the access token; when it has run out, renew it and send once more. */
async function withToken(attempt) {
  await renewing; // or this would go with the old one
  const access = tokens()?.access;
  try {
    return await attempt(access);
  } catch (fault) {
    if (!access || !fault.isAboutTheToken) throw fault;
    if (access === tokens()?.access) await (renewing ??= renew().finally(() => (renewing = null)));
    return attempt(tokens()?.access);
  }
}

let renewing = null; // one for all requests: the refresh token can be spent only once

async function renew() {
  const { refreshToken } = await send(
    `mutation Renew($input: RefreshTokenInput!) { refreshToken(input: $input) { ${PAIR} } }`,
    { input: { refresh: tokens()?.refresh ?? "" } },
  );
  if (refreshToken.__typename === "TokenPair") {
    sessionStorage.setItem(SESSION, JSON.stringify(refreshToken));
  } else if (refreshToken.__typename === "Throttled") {
    throw new Fault(refreshToken.code, refreshToken.message);
  } else {
    sessionStorage.removeItem(SESSION);
    throw new Fault("token_not_valid", "Your session is over. Please sign in again.");
  }
}

// --- Live -------------------------------------------------------------------------------------

/**
 * Follow a subscription until the signal is aborted, and connect again after each loss.
 *
 * `variables()` is called at each connection. `next` is called with the data, `state` with `live` or `lost`. A fault
 * that would not pass is thrown.
 *
 * No token is sent, since the changes are public and a stream ends when its token expires.
 */
export async function follow(subscription, variables, { next, state, signal }) {
  for (let losses = 1; !signal.aborted; losses++) {
    let asked = 0; // seconds that the service asks to wait
    try {
      for await (const data of events(subscription, variables(), signal)) {
        losses = 0;
        state("live");
        next(data);
      }
    } catch (fault) {
      if (!signal.aborted && !fault.passing) throw fault;
      asked = fault.retryAfter;
    }
    if (signal.aborted) return;
    state("lost");
    const pause = navigator.onLine ? Math.max(asked * 1000, growing(losses || 1)) : MAX_PAUSE;
    await sleep(pause, { untilOnline: true, signal });
  }
}

async function* events(subscription, variables, signal) {
  const connection = new AbortController();
  const cut = () => connection.abort();
  signal.addEventListener("abort", cut);
  addEventListener("offline", cut); // a lost connection is not always reported
  let silence = setTimeout(cut, SILENCE);
  try {
    const response = await post(subscription, variables, null, "text/event-stream", connection.signal);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      const answer = await response.json().catch(() => null);
      throw answer ? faultOf(answer.errors, response) : noAnswer(response);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(cut, SILENCE);
      const blocks = (text + value).split("\n\n"); // an empty line ends an event
      text = blocks.pop();
      for (const block of blocks) {
        const event = parsed(block);
        if (event.event === "complete") return;
        if (event.event !== "next") continue; // a heartbeat
        const { data, errors } = JSON.parse(event.data);
        if (!data) throw faultOf(errors, response);
        yield data;
      }
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", cut);
    removeEventListener("offline", cut);
    cut();
  }
}

/** Parse an event: lines like `data: …`. Ours have each name once; a line that begins with a colon is a comment. */
function parsed(block) {
  return Object.fromEntries(
    block
      .split("\n")
      .filter((line) => line.includes(":") && !line.startsWith(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  );
}

// --- Time -------------------------------------------------------------------------------------

let ahead = [-Infinity, Infinity]; // by how many milliseconds the server's clock is ahead of ours: at least, at most

/** The time by the server's clock, in milliseconds. */
export function now() {
  const [least, most] = ahead;
  return Date.now() + (Number.isFinite(least) ? (least + most) / 2 : 0);
}

function learnTheTime(response, sent) {
  const theirs = Date.parse(response.headers.get("Date")); // cut to the second
  if (Number.isNaN(theirs)) return;
  const [least, most] = [theirs - Date.now(), theirs + 1000 - sent];
  ahead = [Math.max(ahead[0], least), Math.min(ahead[1], most)]; // each answer narrows it down
  if (ahead[0] > ahead[1]) ahead = [least, most]; // one of the clocks was set anew
}

/** Half a second, one, two, four … and by chance up to as much less, so that not everybody comes back at once. */
function growing(tries) {
  return Math.min(MAX_PAUSE, 500 * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
}

export function sleep(milliseconds, { untilOnline = false, signal } = {}) {
  return new Promise((wake) => {
    const woken = new AbortController();
    const end = () => {
      clearTimeout(timer);
      woken.abort();
      wake();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end, { signal: woken.signal });
    if (untilOnline) addEventListener("online", end, { signal: woken.signal });
  });
}

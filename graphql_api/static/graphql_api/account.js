// Signing in, signing up and signing out, in the page.

import { Fault, isSignedIn, signIn, signOut, signUp } from "./graph.js";

const dialog = document.getElementById("account");
const form = dialog.querySelector("form");
const wrong = document.getElementById("account-wrong");
const button = form.querySelector("[type=submit]");

/** Sign in unless it is done already; false if the visitor would rather not. `why` is shown above the form. */
export function signedIn(why = "") {
  if (isSignedIn()) return Promise.resolve(true);
  document.getElementById("account-why").textContent = why;
  show("in");
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "done" && isSignedIn()), { once: true });
  });
}

export { isSignedIn, signOut };

/** Two forms in one: `in` for those who have an account, `up` for those who are new. */
function show(way) {
  const isNew = way === "up";
  form.dataset.way = way;
  dialog.returnValue = "";
  document.getElementById("account-title").textContent = isNew ? "Create an account" : "Sign in";
  document.getElementById("account-email").closest("p").hidden = !isNew;
  document.getElementById("account-rule").hidden = !isNew;
  document.getElementById("account-password").autocomplete = isNew ? "new-password" : "current-password";
  button.textContent = isNew ? "Create account" : "Sign in";
  document.getElementById("account-other").textContent = isNew ? "I have an account" : "I am new here";
  showRefusal();
}

document.getElementById("account-other").addEventListener("click", () => {
  show(form.dataset.way === "in" ? "up" : "in");
  form.elements.username.focus();
});
document.getElementById("account-close").addEventListener("click", () => dialog.close(""));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if ("busy" in form.dataset) return;
  form.dataset.busy = "";
  showRefusal();
  try {
    const { username, password, email } = Object.fromEntries(new FormData(form));
    const refusal =
      (form.dataset.way === "up" && (await signUp({ username, password, email }))) ||
      (await signIn({ username, password }));
    if (refusal) showRefusal(refusal);
    else close();
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    showRefusal(fault);
  } finally {
    delete form.dataset.busy;
  }
});

function close() {
  form.reset();
  dialog.close("done");
}

/** Show why not, and at which field. */
function showRefusal(refusal) {
  for (const field of ["username", "email", "password"]) {
    const found = refusal?.fields?.find((other) => other.field === field);
    form.elements[field].setAttribute("aria-invalid", Boolean(found));
    document.getElementById(`account-${field}-wrong`).textContent = found?.messages.join(" ") ?? "";
  }
  const first = form.querySelector("[aria-invalid=true]");
  if (first) first.focus();
  wrong.textContent = refusal ? textOf(refusal) : "";
}

function textOf({ code, message, fields }) {
  if (fields) return "Please correct what is marked.";
  if (code === "no_active_account") return "There is no account with this name and password.";
  return message;
}

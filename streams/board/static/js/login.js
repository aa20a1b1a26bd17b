// The login: by form, or by a token in the part of the address that browsers do not send (#token=…).

import { api } from "./api.js";
import { byId } from "./dom.js";

const NAME_KEY = "roistream-board-name";

/** Returns when there is a session, with the name and the role of its owner. */
export async function login() {
  const begun = await byAddress();
  if (begun) return begun;
  try {
    return await api.session();
  } catch (error) {
    return byForm(error.status === 401 ? "" : error.message);
  }
}

async function byAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), token = given.get("token");
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search); // neither the history nor a shared screen keeps it
  try {
    return await api.login(token, given.get("name") ?? localStorage.getItem(NAME_KEY) ?? "operator");
  } catch (error) {
    return byForm(error.message);
  }
}

function byForm(message) {
  const dialog = byId("login"), form = dialog.querySelector("form"), complaint = dialog.querySelector(".error");
  complaint.textContent = message;
  form.elements.name.value = localStorage.getItem(NAME_KEY) ?? "";
  dialog.showModal();
  return new Promise((resolve) => {
    const stay = (event) => event.preventDefault();
    dialog.addEventListener("cancel", stay);
    form.addEventListener("submit", async function submit(event) {
      event.preventDefault();
      complaint.textContent = "";
      let session;
      try {
        session = await api.login(form.elements.token.value, form.elements.name.value);
      } catch (error) {
        complaint.textContent = error.message;
        form.elements.token.select();
        return;
      }
      localStorage.setItem(NAME_KEY, form.elements.name.value);
      form.elements.token.value = "";
      form.removeEventListener("submit", submit);
      dialog.removeEventListener("cancel", stay);
      dialog.close();
      resolve(session);
    });
  });
}

// Asks POST /extract, and gives the viewer the data of the HTML page that it answers with.
let extracted = ""; // the text that is shown

async function ask(text, format) {
  const sent = await fetch("extract", { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text, format }) });
  if (!sent.ok) {
    const answer = await sent.json().catch(() => ({ error: `status ${sent.status}` }));
    throw new Error(answer.error);
  }
  return sent;
}

async function busy(work) {
  const buttons = element("ask").querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  element("progress").className = "hint";
  element("progress").textContent = "…";
  try {
    await work();
    element("progress").textContent = "";
  } catch (error) {
    element("progress").className = "hint failed";
    element("progress").textContent = error.message;
  }
  buttons.forEach((button) => { button.disabled = false; });
}

async function extractText() {
  const text = element("input").value;
  const page = new DOMParser().parseFromString(await (await ask(text, "html")).text(), "text/html");
  extracted = text;
  document.querySelector("main").hidden = false;
  element("saving").hidden = false;
  load(dataOf(page));
}

async function save() {
  const name = element("format").value;
  const link = make("a");
  link.href = URL.createObjectURL(await (await ask(extracted, name)).blob());
  link.download = `docre.${name}`;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.querySelector("main").hidden = true;
element("ask").addEventListener("submit", (event) => { event.preventDefault(); busy(extractText); });
element("save").addEventListener("click", () => busy(save));
element("input").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); busy(extractText); }
});

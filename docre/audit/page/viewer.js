// The review of suggestions. The data are described in docre/audit/review.py.
const suggestions = data.suggestions;
const key = (s) => [s.kind, s.document, s.head, s.tail, s.relation].join(" ");
const STORE = `docre audit ${data.digest}`;
const STATES = { accept: "accepted", reject: "rejected", unsure: "unsure" };
let shown = []; // the suggestions that pass the filters
let current = null;

// Decisions are kept in the browser, where it allows that, so that closing the page loses nothing.
function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) || "{}");
    for (const s of suggestions) if (key(s) in kept) s.decision = kept[key(s)];
  } catch (error) { /* no storage: decisions last until the page is closed */ }
}

function keep() {
  try {
    const decided = suggestions.filter((s) => s.decision).map((s) => [key(s), s.decision]);
    localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(decided)));
  } catch (error) { /* as above */ }
}

const relationName = (s) => s.relation_name || s.relation;
const percent = (p) => `${Math.round(100 * p)}%`;

function filter() {
  const [kind, relation, state] = ["kind", "relation", "state"].map((id) => element(id).value);
  shown = suggestions.filter((s) => (!kind || s.kind === kind) && (!relation || s.relation === relation)
    && (!state || (s.decision || "undecided") === state));
  element("list").replaceChildren(...(shown.length ? shown.map(row) : [make("p", "", "No suggestions here.")]));
  show(shown.includes(current) ? current : shown[0] || null);
}

function row(s) {
  const made = make("button");
  made.type = "button";
  made.dir = "auto";
  made.tabIndex = -1; // J and K move in the list
  made.append(`${s.head_name} → `, make("span", "relation", relationName(s)), ` → ${s.tail_name} `,
    make("small", "", `${s.kind} ${percent(s.probability)}`));
  made.addEventListener("click", () => show(s));
  return made;
}

function show(s) {
  current = s;
  element("one").hidden = !s;
  if (s) {
    const entities = data.documents[s.document].entities;
    const named = (e, name, role) => {
      const type = entities[e].type;
      return make("span", role, type ? `${name} (${type})` : name);
    };
    element("question").replaceChildren(named(s.head, s.head_name, "head"), " → ", make("b", "", relationName(s)), " → ",
      named(s.tail, s.tail_name, "tail"));
    const agreement = s.agreement === null ? ""
      : `; ${percent(s.agreement)} of the models ${s.kind === "missing" ? "predict" : "do not predict"} it`;
    element("about").textContent = `Is this label ${s.kind}? Probability ${percent(s.probability)}${agreement}.`;
    showText(s);
  }
  update();
}

function showText(s) {
  const { title, sentences, entities } = data.documents[s.document];
  element("document").textContent = title;
  const owners = sentences.map((tokens) => tokens.map(() => []));
  entities.forEach((entity, e) => entity.mentions.forEach(([sentence, start, end]) => {
    for (let i = start; i < end; i += 1) owners[sentence][i].push(e);
  }));
  const parts = sentences.map((tokens, i) => {
    const part = make("span", s.evidence.includes(i) ? "evidence" : "");
    tokens.forEach((token, t) => {
      const of = owners[i][t];
      const piece = make("span", of.length ? "mention" : "", token);
      if (of.includes(s.head)) piece.classList.add("head");
      if (of.includes(s.tail)) piece.classList.add("tail");
      part.append(piece, " ");
    });
    return part;
  });
  element("text").replaceChildren(...parts);
  const first = element("text").querySelector(".evidence") || element("text").querySelector(".head");
  if (first) element("text").scrollTop = first.offsetTop - element("text").offsetTop - 40;
}

// What depends on decisions, and on which suggestion is shown.
function update() {
  [...element("list").querySelectorAll("button")].forEach((made, i) => {
    made.dataset.decision = shown[i].decision || "";
    made.setAttribute("aria-current", String(shown[i] === current));
    if (shown[i] === current) reveal(made);
  });
  for (const made of element("buttons").querySelectorAll("[data-decision]")) {
    made.setAttribute("aria-pressed", String(Boolean(current) && current.decision === made.dataset.decision));
  }
  element("previous").disabled = shown.indexOf(current) <= 0;
  element("next").disabled = shown.indexOf(current) >= shown.length - 1;
  const counts = Object.entries(STATES).map(([d, name]) => `${suggestions.filter((s) => s.decision === d).length} ${name}`);
  const decided = suggestions.filter((s) => s.decision).length;
  element("progress").textContent = `${decided} of ${suggestions.length} decided: ${counts.join(", ")}`;
  element("bar").max = Math.max(1, suggestions.length);
  element("bar").value = decided;
}

// Scroll the list, and nothing else, so that a row is in sight.
function reveal(made) {
  const list = element("list");
  const top = made.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  const over = top + made.offsetHeight - list.scrollTop - list.clientHeight;
  if (over > 0) list.scrollTop += over;
}

function move(step) {
  const to = shown[shown.indexOf(current) + step];
  if (to) show(to);
}

function decide(decision) {
  if (!current) return;
  const undone = current.decision === decision;
  current.decision = undone ? null : decision;
  keep();
  if (undone || shown.indexOf(current) === shown.length - 1) update();
  else move(1);
}

function save() {
  const { documents, ...rest } = data;
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(rest, null, 2)], { type: "application/json" }));
  link.download = "decisions.json";
  link.click();
}

const KEYS = {
  a: () => decide("accept"), r: () => decide("reject"), u: () => decide("unsure"), s: save,
  j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const scrolls = event.target === element("text") && event.key.startsWith("Arrow");
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || scrolls) return;
  event.preventDefault();
  action();
});
for (const made of element("buttons").querySelectorAll("[data-decision]")) {
  made.addEventListener("click", () => decide(made.dataset.decision));
}
element("previous").addEventListener("click", () => move(-1));
element("next").addEventListener("click", () => move(1));
element("save").addEventListener("click", save);
for (const id of ["kind", "relation", "state"]) element(id).addEventListener("change", filter);

const relations = new Map(suggestions.map((s) => [s.relation, relationName(s)]));
fill(element("relation"), [["", "all"], ...[...relations].sort((a, b) => a[1].localeCompare(b[1]))]);
restore();
filter();

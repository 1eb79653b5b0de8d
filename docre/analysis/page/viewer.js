// The document viewer. The data are described in docre/analysis/page/__init__.py.
const MOST = 400; // triples in the list
const FINER = ["FP@NA", "FN_NA", "FN_Rel"]; // error types that say more than FP and FN
let chosen = null; // {document, pair, relation}: what is looked at; relation is null for a pair
let nextIsHead = true;

const relationName = (r) => data.relations[r][1] === data.relations[r][0] ? data.relations[r][0]
  : `${data.relations[r][1]} (${data.relations[r][0]})`;
const entityName = (d, e) => data.documents[d].entities[e].name || `entity ${e}`;
const signed = (margin) => (margin > 0 ? "+" : margin < 0 ? "−" : "") + Math.abs(margin).toFixed(2);

// The triples of a model that are gold or predicted, each with all the error types that it is of.
function collect(run) {
  const found = [];
  data.documents.forEach((doc, d) => doc.pairs.forEach((_, p) => {
    const entries = doc.runs[run].pairs[p];
    const anyGold = entries.some((e) => e[3]);
    const anyPredicted = entries.some((e) => e[2]);
    for (const [relation, margin, predicted, gold] of entries) {
      if (!predicted && !gold) continue;
      const kinds = [];
      if (predicted && gold) kinds.push("TP");
      if (predicted && !gold) kinds.push("FP", ...(anyGold ? [] : ["FP@NA"]));
      if (!predicted && gold) kinds.push("FN", anyPredicted ? "FN_Rel" : "FN_NA");
      data.runs.forEach((name, other) => {
        if (other === run) return;
        const twin = doc.runs[other].pairs[p].find((e) => e[0] === relation);
        const before = Boolean(twin && twin[2]);
        if (before === Boolean(predicted)) return;
        kinds.push(`${gold ? (predicted ? "FN→TP" : "TP→FN") : "new FP"} against ${name}`);
      });
      found.push({ document: d, pair: p, relation, margin, kinds });
    }
  }));
  return found;
}
const triples = data.runs.map((_, run) => collect(run));

function showList() {
  const run = Number(element("run").value);
  const [kind, relation, doc] = ["kind", "relation", "document"].map((id) => element(id).value);
  const some = triples[run].filter((t) => (!kind || t.kinds.includes(kind))
    && (relation === "" || t.relation === Number(relation)) && (doc === "" || t.document === Number(doc)));
  element("count").textContent = `${some.length} triples` + (some.length > MOST ? `, the first ${MOST} shown` : "");
  const rows = some.slice(0, MOST).map((t) => {
    const [head, tail] = data.documents[t.document].pairs[t.pair];
    const row = make("button");
    row.setAttribute("role", "option");
    row.append(make("span", `kind ${t.kinds[0]}`, t.kinds.find((kind) => FINER.includes(kind)) || t.kinds[0]),
      ` ${entityName(t.document, head)} → ${relationName(t.relation)} → ${entityName(t.document, tail)}`,
      make("small", "", `margin ${signed(t.margin)} · ${data.documents[t.document].title}`));
    row.addEventListener("click", () => choose(t.document, t.pair, t.relation));
    row.triple = t;
    return row;
  });
  element("triples").replaceChildren(...(rows.length ? rows : [make("p", "", "No triple is of this kind.")]));
  markList();
}

function markList() {
  for (const row of element("triples").querySelectorAll("button")) {
    const t = row.triple;
    const same = chosen && t.document === chosen.document && t.pair === chosen.pair && t.relation === chosen.relation;
    row.setAttribute("aria-selected", String(Boolean(same)));
  }
}

function choose(d, pair, relation) {
  chosen = { document: d, pair, relation };
  nextIsHead = true;
  const doc = data.documents[d];
  const options = doc.entities.map((e, i) => [i, `${entityName(d, i)}${e.type ? ` · ${e.type}` : ""}`]);
  for (const [id, place] of [["head", 0], ["tail", 1]]) {
    fill(element(id), options);
    element(id).value = doc.pairs.length ? doc.pairs[pair][place] : "";
  }
  showDocument();
  markList();
}

function chooseEntities(head, tail) {
  const doc = data.documents[chosen.document];
  const pair = doc.pairs.findIndex(([h, t]) => h === head && t === tail);
  if (pair >= 0) choose(chosen.document, pair, null);
  else showDocument(`${entityName(chosen.document, head)} → ${entityName(chosen.document, tail)}: no candidate pair`);
}

function clickEntity(entity) {
  const [head, tail] = [Number(element("head").value), Number(element("tail").value)];
  if (nextIsHead) {
    element("head").value = entity;
    if (entity !== tail) chooseEntities(entity, tail);
    nextIsHead = false;
  } else {
    element("tail").value = entity;
    if (entity !== head) chooseEntities(head, entity);
    nextIsHead = true;
  }
}

// What the pair attends to: a number from 0 to 255 for each word of the document, relative to the largest; null for a
// model whose pairs attend to nothing.
function attention(run, doc, pair) {
  const packed = doc.runs[run].attention;
  if (packed === null) return null;
  const words = doc.sentences.reduce((sum, sentence) => sum + sentence.length, 0);
  const bytes = atob(packed);
  const start = doc.context[pair] * words;
  return Array.from({ length: words }, (_, w) => bytes.charCodeAt(start + w));
}

function showDocument(note) {
  const { document: d, pair, relation } = chosen;
  const doc = data.documents[d];
  const run = Number(element("run").value);
  element("title").textContent = doc.title;
  const [head, tail] = doc.pairs.length ? doc.pairs[pair] : [-1, -1];
  const weights = doc.pairs.length && element("attend").checked ? attention(run, doc, pair) : null;
  const owners = doc.sentences.map((sentence) => sentence.map(() => []));
  doc.entities.forEach((entity, e) => entity.mentions.forEach(([s, start, end]) => {
    for (let w = start; w < end; w += 1) owners[s][w].push(e);
  }));
  const gold = doc.gold.find(([p, r]) => p === pair && r === relation);
  const predicted = doc.runs[run].evidence[pair] || [];
  let word = 0;
  const sentences = doc.sentences.map((sentence, s) => {
    const line = make("p", "sentence" + (gold && gold[2].includes(s) ? " evidence" : ""));
    line.append(make("sup", "", s + (predicted.includes(s) ? " ●" : "")));
    sentence.forEach((text, w) => {
      const of = owners[s][w];
      const role = of.includes(head) ? " head" : of.includes(tail) ? " tail" : "";
      const span = make("span", "word" + (of.length ? " entity" + role : ""), text);
      if (weights) {
        const share = weights[word] / 255;
        if (share > 0.02) span.style.backgroundColor = `rgba(var(--attention), ${(0.75 * share).toFixed(3)})`;
        span.title = `attention ${Math.round(100 * share)}% of the pair's largest`;
      }
      if (of.length) span.addEventListener("click", () => clickEntity(role === " tail" ? tail : of[0]));
      line.append(span, " ");
      word += 1;
    });
    return line;
  });
  element("text").replaceChildren(...sentences);
  element("pair").textContent = note
    || (doc.pairs.length ? `${entityName(d, head)} → ${entityName(d, tail)}` : "no candidate pair");
  element("margins").replaceChildren(...(doc.pairs.length && !note ? [marginTable(doc, pair, relation)] : []));
}

// Every relation that some model predicts, ranks among its first, or that is gold, with all models' margins.
function marginTable(doc, pair, chosenRelation) {
  const entries = doc.runs.map((run) => new Map(run.pairs[pair].map((e) => [e[0], e])));
  const relations = [...new Set(doc.runs.flatMap((run) => run.pairs[pair].map((e) => e[0])))];
  const best = (r) => Math.max(...entries.map((of) => (of.has(r) ? of.get(r)[1] : -Infinity)));
  relations.sort((a, b) => best(b) - best(a));
  const table = make("table");
  const heading = table.insertRow();
  for (const text of ["relation", "gold", ...data.runs.flatMap((name) => [`margin, ${name}`, "predicted"])]) {
    heading.append(make("th", "", text));
  }
  for (const r of relations) {
    const row = table.insertRow();
    const gold = entries.some((of) => of.has(r) && of.get(r)[3]);
    row.append(make("td", "", (r === chosenRelation ? "▸ " : "") + relationName(r)), make("td", "", gold ? "gold" : ""));
    for (const of of entries) {
      const entry = of.get(r);
      row.append(make("td", "", entry ? signed(entry[1]) : "lower"),
        make("td", "", entry && entry[2] ? (gold ? "✓ predicted" : "✗ predicted") : entry && gold ? "○ missed" : ""));
    }
  }
  const box = make("div", "scroll");
  box.append(table);
  return box;
}

function fillFilters() {
  const all = triples.flat();
  const kinds = new Set(all.flatMap((t) => t.kinds));
  const order = ["TP", "FP", "FP@NA", "FN", "FN_NA", "FN_Rel"];
  const rest = [...kinds].filter((kind) => !order.includes(kind)).sort();
  fill(element("kind"), [["", "all"], ...order.map((kind) => [kind, kind]), ...rest.map((kind) => [kind, kind])]);
  const used = [...new Set(all.map((t) => t.relation))].sort((a, b) => relationName(a).localeCompare(relationName(b)));
  fill(element("relation"), [["", "all"], ...used.map((r) => [r, relationName(r)])]);
  fill(element("document"), [["", "all"], ...data.documents.map((doc, d) => [d, doc.title])]);
  fill(element("run"), data.runs.map((name, run) => [run, name]));
}

function start() {
  fillFilters();
  for (const id of ["kind", "relation"]) element(id).addEventListener("change", showList);
  element("run").addEventListener("change", () => { showList(); if (chosen) showDocument(); });
  element("document").addEventListener("change", () => {
    showList();
    if (element("document").value !== "") choose(Number(element("document").value), 0, null);
  });
  for (const id of ["head", "tail"]) {
    element(id).addEventListener("change", () => {
      chooseEntities(Number(element("head").value), Number(element("tail").value));
    });
  }
  element("attend").addEventListener("change", () => { if (chosen) showDocument(); });
  showList();
  const first = triples[0].find((t) => t.kinds[0] === "TP") || triples[0][0];
  if (first) choose(first.document, first.pair, first.relation);
  else if (data.documents.length) choose(0, 0, null);
}

start();

// The viewer of extractions. The data are described in docre/graph/html.py.
let documents = [];
const COLOURS = 8;
let current = null; // the document that is shown
let characters = []; // its characters (code points), as offsets count them
let pinned = null; // what is kept when nothing is pointed at: {triple} or {entity}
let drawn = { nodes: new Map(), edges: [], labels: [] }; // elements of the graph: of entities, and of triples

function draw(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const part = ([start, end]) => characters.slice(start, end).join("");
const entityName = (e) => current.entities[e].name || part(current.entities[e].mentions[0]);
const relationName = (t) => t.name || t.relation;
const percent = (p) => (p === null ? "" : ` ${Math.round(100 * p)}%`);
const types = () => [...new Set(current.entities.map((e) => e.type))];
const colour = (e) => `var(--t${types().indexOf(current.entities[e].type) % COLOURS})`;
const shorten = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);

// The text in pieces that no mention and no evidence begins or ends within, each with the entities that it belongs to.
function showText() {
  const mentions = current.entities.flatMap((e, i) => e.mentions.map(([start, end]) => ({ start, end, entity: i })));
  const evidence = current.triples.flatMap((t) => t.evidence);
  const cuts = new Set([0, characters.length, ...mentions.flatMap((m) => [m.start, m.end]), ...evidence.flat()]);
  const positions = [...cuts].sort((a, b) => a - b);
  const pieces = positions.slice(0, -1).map((start, i) => {
    const end = positions[i + 1];
    const owners = mentions.filter((m) => m.start <= start && end <= m.end)
      .sort((a, b) => (a.end - a.start) - (b.end - b.start)).map((m) => m.entity);
    const piece = make("span", owners.length ? "mention" : "", part([start, end]));
    Object.assign(piece, { start, end, owners });
    if (owners.length) {
      const entity = current.entities[owners[0]];
      piece.style.setProperty("--c", colour(owners[0]));
      piece.title = [entityName(owners[0]), entity.type].filter(Boolean).join(" · ");
      pointing(piece, { entity: owners[0] });
    }
    return piece;
  });
  element("text").replaceChildren(...pieces);
}

function showTriples() {
  const rows = current.triples.map((t, i) => {
    const row = make("button");
    row.type = "button";
    row.dir = "auto";
    row.append(entityName(t.head), " → ", make("b", "", relationName(t)), " → ", entityName(t.tail),
      make("small", "", percent(t.confidence)), make("q", "", t.evidence.map(part).join(" … ") || "no evidence is given"));
    pointing(row, { triple: i });
    return row;
  });
  element("triples").replaceChildren(...(rows.length ? rows : [make("p", "", "Nothing was found.")]));
  arrows(rows);
}

function showEntities() {
  element("entities-heading").textContent = `Entities (${current.entities.length})`;
  const chips = current.entities.map((e, i) => {
    const chip = make("button");
    chip.type = "button";
    chip.append(dot(colour(i)), entityName(i), e.type ? ` · ${e.type}` : "");
    pointing(chip, { entity: i });
    return chip;
  });
  element("entities").replaceChildren(...chips);
  arrows(chips);
  element("legend").replaceChildren(...types().map((type, i) => {
    const entry = make("span");
    entry.append(dot(`var(--t${i % COLOURS})`), type || "no type");
    return entry;
  }));
}

function dot(c) {
  const made = make("i", "dot");
  made.style.setProperty("--c", c);
  return made;
}

// Pointing at an element, or focusing it, shows what it stands for; a click or Enter keeps it.
function pointing(made, what) {
  made.target = what;
  made.addEventListener("pointerenter", () => mark(what));
  made.addEventListener("pointerleave", () => mark(pinned));
  made.addEventListener("focus", () => mark(what));
  made.addEventListener("blur", () => mark(pinned));
  const pin = () => {
    pinned = same(pinned, what) ? null : what;
    mark(pinned || what);
    reveal();
  };
  made.addEventListener("click", pin);
  if (made.tagName === "g") {
    made.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(); }
    });
  }
}
const same = (a, b) => Boolean(a && b) && a.triple === b.triple && a.entity === b.entity;

// One stop of the Tab key for a group; the arrow keys move inside it.
function arrows(items) {
  items.forEach((item, i) => {
    item.setAttribute("tabindex", i ? "-1" : "0");
    item.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const to = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : step ? i + step : null;
      if (to === null) return;
      event.preventDefault();
      if (items[to]) items[to].focus();
    });
    item.addEventListener("focus", () => items.forEach((other) =>
      other.setAttribute("tabindex", other === item ? "0" : "-1")));
  });
}

function mark(what) {
  const triple = what && what.triple !== undefined ? current.triples[what.triple] : null;
  const entities = triple ? [triple.head, triple.tail] : what ? [what.entity] : [];
  for (const piece of element("text").children) {
    piece.classList.toggle("on", piece.owners.some((e) => entities.includes(e)));
    piece.classList.toggle("evidence", Boolean(triple)
      && triple.evidence.some(([start, end]) => start <= piece.start && piece.end <= end));
  }
  const shown = (t) => (triple ? t === triple : entities.includes(t.head) || entities.includes(t.tail));
  for (const item of [...element("triples").querySelectorAll("button"), ...element("entities").children]) {
    item.classList.toggle("on", same(item.target, what));
    item.setAttribute("aria-pressed", String(same(item.target, pinned)));
  }
  for (const [e, node] of drawn.nodes) node.classList.toggle("on", entities.includes(e));
  current.triples.forEach((t, i) => {
    for (const made of [drawn.edges[i], drawn.labels[i]]) made.classList.toggle("on", Boolean(what) && shown(t));
  });
  element("status").textContent = triple
    ? `${entityName(triple.head)} → ${relationName(triple)} → ${entityName(triple.tail)}${percent(triple.confidence)}`
    : what ? `${entityName(what.entity)}: ${current.triples.filter(shown).length} triples` : alone();
}

function alone() {
  const left = current.entities.length - drawn.nodes.size;
  return left ? `${left} entities without triples are not in the graph` : "";
}

// Scroll the box of the text, and nothing else, to what is marked.
function reveal() {
  const box = element("text");
  const first = box.querySelector(".evidence") || box.querySelector(".on");
  if (!first) return;
  const [inner, outer] = [first.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - 40;
}

// Positions for nodes, after Fruchterman and Reingold (1991): all push each other away, edges pull together. No chance.
function layout(count, edges, width, height) {
  const ideal = 0.9 * Math.sqrt((width * height) / Math.max(count, 1));
  const at = Array.from({ length: count }, (_, i) => {
    const [angle, radius] = [2.39996 * i, 0.45 * Math.sqrt((i + 0.5) / count)]; // a sunflower
    return [width * (0.5 + radius * Math.cos(angle)), height * (0.5 + radius * Math.sin(angle))];
  });
  const rounds = Math.min(300, Math.ceil(4e6 / (count * count + 1)));
  for (let round = 0; round < rounds; round += 1) {
    const force = at.map(([x, y]) => [0.06 * (width / 2 - x), 0.1 * (height / 2 - y)]);
    const push = (i, j, strength) => {
      const [x, y] = [at[i][0] - at[j][0], at[i][1] - at[j][1]];
      const distance = Math.hypot(x, y) || 0.01;
      const amount = strength(distance) / distance;
      force[i][0] += x * amount; force[i][1] += y * amount;
      force[j][0] -= x * amount; force[j][1] -= y * amount;
    };
    for (let i = 0; i < count; i += 1) for (let j = 0; j < i; j += 1) push(i, j, (d) => (d < 2.5 * ideal ? (ideal * ideal) / d : 0));
    for (const [i, j] of edges) push(i, j, (d) => (-0.5 * d * d) / ideal);
    const most = 0.1 * width * (1 - round / rounds) + 1;
    force.forEach(([x, y], i) => {
      const scale = Math.min(1, most / (Math.hypot(x, y) || 1));
      at[i] = [at[i][0] + x * scale, at[i][1] + y * scale];
    });
  }
  const fit = (place, size, margin) => {
    const values = at.map((point) => point[place]);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    at.forEach((point) => {
      const share = most > least ? (point[place] - least) / (most - least) : 0.5;
      point[place] = margin + share * (size - 2 * margin);
    });
  };
  fit(0, width, Math.min(60, width / 6));
  fit(1, height, 26);
  return at;
}

function showGraph() {
  element("graph").hidden = !current.triples.length;
  const width = Math.max(element("graph").clientWidth, 200);
  const shown = [...new Set(current.triples.flatMap((t) => [t.head, t.tail]))].sort((a, b) => a - b);
  const height = Math.round(width * (width < 500 ? Math.min(Math.max(1, shown.length / 32), 2) : 0.62));
  const place = new Map(shown.map((e, i) => [e, i]));
  const at = layout(shown.length, current.triples.map((t) => [place.get(t.head), place.get(t.tail)]), width, height);
  const arrow = draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7,
    orient: "auto", markerUnits: "userSpaceOnUse" }, draw("path", { d: "M0 0 8 4 0 8z" }));
  const between = new Map();
  const labels = [];
  const edges = current.triples.map((t, i) => {
    const [made, label] = edge(t, at[place.get(t.head)], at[place.get(t.tail)], between, width);
    pointing(made, { triple: i });
    labels.push(label);
    return made;
  });
  const nodes = shown.map((e, i) => {
    const degree = current.triples.filter((t) => t.head === e || t.tail === e).length;
    const name = shorten(entityName(e).replace(/\s+/g, " "), width < 500 ? 16 : 24);
    const half = Math.min(3.4 * [...name].length, at[i][0] - 4, width - at[i][0] - 4);
    const middle = Math.max(3.4 * [...name].length + 4, Math.min(at[i][0], width - 3.4 * [...name].length - 4));
    const node = draw("g", { class: "node", role: "button",
      "aria-label": `${entityName(e)}, ${current.entities[e].type || "no type"}, ${degree} triples` },
    draw("title", {}, [entityName(e), current.entities[e].type].filter(Boolean).join(" · ")),
    draw("circle", { cx: at[i][0], cy: at[i][1], r: 6 + Math.min(degree, 6) }),
    draw("text", { x: half > 0 ? middle : at[i][0], y: at[i][1] - 10 - Math.min(degree, 6) }, name));
    node.style.setProperty("--c", colour(e));
    pointing(node, { entity: e });
    return node;
  });
  drawn = { nodes: new Map(shown.map((e, i) => [e, nodes[i]])), edges, labels };
  arrows(nodes);
  element("graph").replaceChildren(draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group",
    "aria-labelledby": "graph-heading" }, draw("defs", {}, arrow), ...edges, ...nodes, ...labels));
  placeNames(nodes);
}

// The path of a triple and its label; the path is curved the more, the more triples are between the same two entities.
function edge(triple, [x1, y1], [x2, y2], between, width) {
  const key = [triple.head, triple.tail].sort().join("-");
  const number = between.get(key) || 0;
  between.set(key, number + 1);
  let path;
  let label;
  if (triple.head === triple.tail) {
    const [out, top] = [30 + 8 * number, 30 + 12 * number];
    const up = y1 > top + 16 ? -1 : 1; // below the node where there is no place above it
    path = `M${x1} ${y1} c${out} ${(up * top * 4) / 3} ${-out} ${(up * top * 4) / 3} 0 0`;
    label = [x1, y1 + up * (top + 4) + (up > 0 ? 8 : 0)];
  } else {
    const length = Math.hypot(x2 - x1, y2 - y1) || 1;
    const side = (number % 2 === 1) !== (triple.head > triple.tail) ? -1 : 1; // of the line, seen from one end of it
    const bend = (14 + 16 * Math.floor(number / 2)) * side;
    const [nx, ny] = [(-(y2 - y1) / length) * bend, ((x2 - x1) / length) * bend];
    const control = [(x1 + x2) / 2 + nx, (y1 + y2) / 2 + ny];
    const last = Math.hypot(x2 - control[0], y2 - control[1]) || 1;
    const [ex, ey] = [x2 - (13 * (x2 - control[0])) / last, y2 - (13 * (y2 - control[1])) / last];
    path = `M${x1} ${y1} Q${control[0]} ${control[1]} ${ex} ${ey}`;
    label = [(x1 + x2) / 2 + nx / 2, (y1 + y2) / 2 + ny / 2 + 4];
  }
  const text = shorten(relationName(triple), 30);
  const half = 3.4 * [...text].length + 4;
  label[0] = half * 2 < width ? Math.max(half, Math.min(label[0], width - half)) : label[0];
  return [draw("g", { class: "edge" }, draw("path", { class: "near", d: path }),
    draw("path", { d: path, "marker-end": "url(#arrow)" })),
  draw("text", { class: "relation", x: label[0], y: label[1] }, text)];
}

// A name stands above its node, or below it where it would lie on another name or node. Where neither is free, it is
// hidden until its node is pointed at. Large nodes come first.
function placeNames(nodes) {
  // all boxes are measured before any name is moved: each change between two measurements costs a layout of the page
  const taken = nodes.map((node) => node.querySelector("circle").getBBox());
  const names = nodes.map((node) => {
    const [text, radius] = [node.querySelector("text"), Number(node.querySelector("circle").getAttribute("r"))];
    return { text, radius, box: text.getBBox() };
  });
  for (const { text, radius, box } of names.sort((a, b) => b.radius - a.radius)) {
    const { x, y, width, height } = box;
    const free = [0, 2 * radius + 17].find((down) => !taken.some((other) => x < other.x + other.width
      && other.x < x + width && y + down < other.y + other.height && other.y < y + down + height));
    text.classList.toggle("covered", free === undefined);
    if (free === undefined) continue;
    taken.push({ x, y: y + free, width, height });
    if (free) text.setAttribute("y", Number(text.getAttribute("y")) + free);
  }
}

function show(number) {
  current = documents[number];
  characters = [...current.text];
  pinned = null;
  showText();
  showTriples();
  showEntities();
  showGraph();
  mark(null);
}

// Shows the first of some documents, and offers the others.
function load(given) {
  documents = given;
  fill(element("document"), documents.map((d, i) => [i, d.title || `document ${i + 1}`]));
  element("which").hidden = documents.length < 2;
  if (documents.length) show(0);
  else element("triples").replaceChildren(make("p", "", "There are no documents."));
}

function start() {
  element("document").addEventListener("change", () => show(Number(element("document").value)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && current) { pinned = null; mark(null); }
  });
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width || !current) return; // as when a telephone's address bar goes
    width = window.innerWidth;
    showGraph();
    mark(pinned);
  });
  load(data);
}

start();

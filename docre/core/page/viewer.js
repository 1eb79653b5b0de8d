"use strict";
const dataOf = (page) => JSON.parse(page.getElementById("data").textContent);
const data = dataOf(document);
const element = (id) => document.getElementById(id);

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// The options of a <select>, from pairs of value and text.
function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
}

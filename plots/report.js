"use strict";

// Hiding: everything with data-series belongs to one allocator.
const shown = document.getElementById("shown");
for (const box of shown?.querySelectorAll("input") ?? []) {
  const apply = () => document.querySelectorAll(`[data-series="${CSS.escape(box.value)}"]`)
    .forEach((part) => part.classList.toggle("off", !box.checked));
  box.addEventListener("change", apply);
  apply(); // a browser may remember the box from before a reload
}
if (shown) shown.hidden = false;

// Data: compressed in the page, plain for who clicks.
for (const link of document.querySelectorAll("a[download$='.csv.gz']")) {
  link.addEventListener("click", async (event) => {
    if (!window.DecompressionStream) return; // as it is
    event.preventDefault();
    const bytes = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
    const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
    const plain = document.createElement("a");
    plain.href = URL.createObjectURL(new Blob([text], {type: "text/csv;charset=utf-8"}));
    plain.download = link.download.replace(/\.gz$/, "");
    plain.click();
    setTimeout(() => URL.revokeObjectURL(plain.href), 60000);
  });
}

// Sorting: numbers by their value whatever their unit, then texts; what is not known comes last.
const UNITS = {"µs": 1e3, ms: 1e6, s: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, "k/s": 1e3, "M/s": 1e6, "G/s": 1e9};

function key(cell) {
  const text = cell.textContent.trim();
  const number = text.match(/^(?:over |under )?(-?\d[\d,.]*)\s*([µa-zA-Z/]*)/);
  return number ? Number(number[1].replaceAll(",", "")) * (UNITS[number[2]] ?? 1) : text;
}

function order(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en", {numeric: true});
  return typeof a === "number" ? -1 : 1;
}

function sort(table, column, sign) {
  const keyed = [...table.tBodies[0].rows].map((row) => ({row, key: key(row.cells[column])}));
  const known = keyed.filter((each) => each.key !== "–").sort((a, b) => sign * order(a.key, b.key));
  table.tBodies[0].append(...[...known, ...keyed.filter((each) => each.key === "–")].map((each) => each.row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.ariaSort === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.ariaSort = falling ? "descending" : "ascending";
      sort(table, column, falling ? -1 : 1);
    });
  });
}

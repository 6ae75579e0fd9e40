// Sorting and filtering. Without it the tables stand as they were built: in order of rank.
"use strict";

const value = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.v ?? cell.textContent.trim();
};

function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const numbers = rows.every((row) => value(row, column) === "" || !Number.isNaN(Number(value(row, column))));
  rows.sort((a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (x === "" || y === "") return (x === "") - (y === ""); // what is unknown stands last, in either direction
    return direction * (numbers ? Number(x) - Number(y) : x.localeCompare(y, "en"));
  });
  body.append(...rows);
  for (const [k, head] of [...table.tHead.rows[0].cells].entries()) {
    if (k === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
}

function makeSortable(table) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    if (!head.dataset.sort) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = head.dataset.sort === "down" ? -1 : 1;
      sortBy(table, column, now ? (now === "ascending" ? -1 : 1) : first);
    });
  }
}

function makeFilter(form) {
  const rows = [...document.getElementById(form.dataset.filter).tBodies[0].rows];
  const said = form.querySelector("output");
  const apply = () => {
    const fields = new FormData(form);
    const words = String(fields.get("text")).toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word))
        && (!fields.get("labels") || row.dataset.labels === fields.get("labels"))
        && !(fields.get("ranked") && "unranked" in row.dataset)
        && !(fields.get("unseen") && "seen" in row.dataset);
      row.hidden = !fits;
      shown += fits;
    }
    said.textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply(); // a browser that goes back keeps what was typed
}

// A point of a figure opens the study of its row: for the mouse, since the row has the link.
function makeOpening(point, rows) {
  const link = rows[point.dataset.row]?.querySelector("th a");
  if (!link) return;
  point.classList.add("opens");
  point.addEventListener("click", () => link.click());
}

const rowsAsBuilt = [...document.querySelectorAll("#board tbody tr")];
document.querySelectorAll(".figure [data-row]").forEach((point) => makeOpening(point, rowsAsBuilt));
document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
document.querySelectorAll("form[data-filter]").forEach(makeFilter);

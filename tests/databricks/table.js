// A part of the page that is loaded when it is needed.
export function table({ columns, rows }) {
  const line = (cells, kind) => {
    const made = document.createElement("tr");
    for (const text of cells) made.appendChild(document.createElement(kind)).textContent = String(text);
    return made;
  };
  const made = document.createElement("table");
  made.createTHead().append(line(columns, "th"));
  made.createTBody().append(...rows.map((row) => line(row, "td")));
  return made;
}

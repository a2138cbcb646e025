"use strict";
(() => {
  const MOST = 50;
  const query = document.getElementById("query");
  const results = document.getElementById("results");
  const found = document.getElementById("found");
  // What can be found: everything with a kind and a name.
  const items = [...document.querySelectorAll("[data-kind][id]")].map((element) => ({
    id: element.id,
    kind: element.dataset.kind,
    number: element.dataset.id ?? "",
    full: element.id.toLowerCase(),
    own: element.id.slice(element.id.lastIndexOf(".") + 1).toLowerCase(),
    doc: (element.querySelector(":scope > .doc")?.textContent ?? "").toLowerCase(),
  }));
  let at = 0;

  // The lower, the better; nothing for what does not match.
  function rank(item, text) {
    if (item.number === text) return 0;
    if (item.own === text || item.full === text) return 1;
    if (item.own.startsWith(text)) return 2;
    if (item.own.includes(text)) return 3;
    if (item.full.includes(text)) return 4;
    if (item.doc.includes(text)) return 5;
    return undefined;
  }

  const small = { field: 1, value: 1 };

  function search() {
    const text = query.value.trim().toLowerCase();
    const matches = items
      .map((item, index) => ({ item, index, rank: text ? rank(item, text) : undefined }))
      .filter((match) => match.rank !== undefined)
      .sort((a, b) => a.rank - b.rank || (small[a.item.kind] ?? 0) - (small[b.item.kind] ?? 0) || a.index - b.index);
    results.replaceChildren(
      ...matches.slice(0, MOST).map(({ item }) => {
        const link = document.createElement("a");
        link.href = "#" + encodeURIComponent(item.id);
        link.append((item.number ? item.number + " " : "") + item.id);
        const kind = document.createElement("small");
        kind.textContent = item.kind;
        link.append(kind);
        const line = document.createElement("li");
        line.append(link);
        return line;
      }),
    );
    results.hidden = matches.length === 0;
    found.textContent = text ? (matches.length === 1 ? "1 result" : matches.length + " results") : "";
    choose(0);
  }

  function choose(index) {
    const links = results.querySelectorAll("a");
    at = links.length ? (index + links.length) % links.length : 0;
    links.forEach((link, i) => link.classList.toggle("at", i === at));
    links[at]?.scrollIntoView({ block: "nearest" });
  }

  function close() {
    query.value = "";
    search();
  }

  query.addEventListener("input", search);
  query.addEventListener("focus", search);
  query.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(at + 1);
    else if (event.key === "ArrowUp") choose(at - 1);
    else if (event.key === "Enter") results.querySelectorAll("a")[at]?.click();
    else if (event.key === "Escape") {
      close();
      query.blur();
    } else return;
    event.preventDefault();
  });
  results.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    close();
    query.blur();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) results.hidden = true;
  });

  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });
})();

// Put a slider over the figure before this script. Its drawing of value i is the still one with the i-th of each change.
(() => {
  const script = document.currentScript, figure = script.parentElement, image = figure.querySelector("img");
  const { label, texts, start, changes } = JSON.parse(script.previousElementSibling.textContent);
  const still = decodeURIComponent(image.getAttribute("src").slice("data:image/svg+xml,".length));
  const line = document.createElement("label"), range = document.createElement("input"), said = document.createElement("span");
  const say = () => {
    said.textContent = texts[range.value];
    range.setAttribute("aria-valuetext", texts[range.value]);
  };
  const move = () => {
    let svg = "", done = 0;
    for (const [from, to, pieces] of changes) { svg += still.slice(done, from) + pieces[range.value]; done = to; }
    image.src = "data:image/svg+xml," + encodeURIComponent(svg + still.slice(done));
    say();
  };
  Object.assign(range, { type: "range", min: 0, max: texts.length - 1, value: start, oninput: move });
  range.dataset.lmSuppressShortcuts = "true";  // in JupyterLab the arrow keys belong to the slider, too
  said.setAttribute("aria-hidden", "true");  // read aloud as the value of the slider
  line.append(label, " ", range, " ", said);
  figure.prepend(line);
  say();
})();

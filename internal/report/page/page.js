(function () {
  "use strict";
  var box = document.getElementById("find"), out = document.getElementById("found"), list = document.getElementById("steps");
  if (!box || !list) { return; }
  document.getElementById("finder").hidden = false;
  var rows = Array.prototype.slice.call(list.querySelectorAll("li.step"));
  var texts = rows.map(function (r) { return r.textContent.toLowerCase(); });
  var folds = Array.prototype.slice.call(list.querySelectorAll("details"));
  var were = folds.map(function (d) { return d.open; });
  var timer = 0;
  function find() {
    var want = box.value.trim().toLowerCase().split(/\s+/).filter(Boolean), n = 0;
    rows.forEach(function (r, i) {
      var hit = want.every(function (w) { return texts[i].indexOf(w) >= 0; });
      r.hidden = !hit;
      if (hit) { n++; }
    });
    folds.forEach(function (d, i) {
      var some = d.querySelector("li.step:not([hidden])") !== null;
      d.hidden = want.length > 0 && !some;
      d.open = want.length > 0 ? some && n <= 500 : were[i];
    });
    out.textContent = want.length > 0 ? n + " of " + rows.length : "";
  }
  box.addEventListener("input", function () { clearTimeout(timer); timer = setTimeout(find, 120); });
  function reveal() {
    var id = location.hash.slice(1), at = id && document.getElementById(id);
    for (var e = at; e; e = e.parentElement) { if (e.tagName === "DETAILS") { e.open = true; } }
    if (at) { at.scrollIntoView({ block: "center" }); }
  }
  addEventListener("hashchange", reveal);
  reveal();
})();

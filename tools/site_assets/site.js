// Code and tables that scroll sideways can be reached, and so scrolled, with the keyboard.
(function () {
  function update() {
    document.querySelectorAll("pre > code, .md-typeset__scrollwrap").forEach(function (each) {
      if (each.scrollWidth > each.clientWidth) {
        each.tabIndex = 0;
      } else {
        each.removeAttribute("tabindex");
      }
    });
  }
  addEventListener("load", update);
  addEventListener("resize", update);
})();

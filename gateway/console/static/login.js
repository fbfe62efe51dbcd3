// Moves a token from the address line (#token=…, never sent to any server) into the form.
(function () {
  "use strict";
  var found = /^#token=([A-Za-z0-9_-]{1,128})$/.exec(window.location.hash);
  var form = document.getElementById("login");
  if (!found || !form) return;
  // Out of the address line and the history before anything else.
  window.history.replaceState(null, "", window.location.pathname);
  form.elements.namedItem("token").value = found[1];
  form.submit();
})();

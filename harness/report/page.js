"use strict";
// Enlarging a figure: it moves into a dialog and back again. The dialog itself brings focus, Escape and the backdrop.
const lightbox = document.getElementById("lightbox");
const large = lightbox.querySelector(".large");
let home = null;
for (const button of document.querySelectorAll(".enlarge")) {
  button.addEventListener("click", () => {
    home = button.closest("figure").querySelector(".canvas");
    lightbox.querySelector("strong").textContent = button.closest("figure").querySelector("h3").textContent;
    home.style.minHeight = home.offsetHeight + "px";
    large.replaceChildren(home.firstElementChild);
    lightbox.showModal();
  });
}
lightbox.addEventListener("close", () => {
  home.replaceChildren(large.firstElementChild);
  home.style.minHeight = "";
});
lightbox.querySelector(".close").addEventListener("click", () => lightbox.close());
lightbox.addEventListener("click", (event) => {
  if (event.target === lightbox) lightbox.close();
});

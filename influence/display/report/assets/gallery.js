// Samples: predictions with and without the muted input, and the map of gains, under a slider.
const STOPS = 10; // steps of a slider from one picture to the next

class Gallery {
  constructor(root) {
    this.root = root;
    this.form = root.querySelector("form");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => this.show());
  }

  async fill() {
    if (this.cards) return;
    Object.assign(this, JSON.parse(await unpack("gallery")));
    this.show();
  }

  show() {
    const index = Number(new FormData(this.form).get("group"));
    const group = FACTS.groups[index];
    const cards = this.cards.filter((card) => card.group === index);
    for (const list of this.root.querySelectorAll(".cards")) {
      const own = cards.filter((card) => card.side === list.dataset.side);
      own.sort((a, b) => Math.abs(b.omega) - Math.abs(a.omega));
      list.replaceChildren(...own.map((card) => this.card(card, group)));
    }
    this.root.querySelector(".legend").replaceChildren(...(group.classes ?? []).map(
      ({ name, colour }) => element("li", {}, symbol("square", colour), name)));
    document.getElementById("gallery-status").textContent =
      `${cards.length} samples of ${group.network}, ${group.source} to ${group.target}.`;
  }

  card(card, group) {
    const made = document.getElementById("card").content.cloneNode(true).firstElementChild;
    const { source, target, metric } = group;
    const score = (key) => scaled(String(card[key]), metric, "value");
    const { label, value, gain } = FACTS.metrics[metric];
    made.querySelector("h4").textContent = card.id;
    const [full, muted] = ["full", "muted"].map((key) => withUnit(score(key), value.unit));
    made.querySelector(".gain").textContent =
      `${label} ${full} with ${source}, ${muted} without: ` +
      `ω ${scaled(String(card.omega), metric, "gain")}${gain.unit && `, in ${gain.unit}`}.` + this.ends(card, group);
    const words = {
      picture: `Sample ${card.id}, the ${card.pictured}`,
      truth: `True ${target} of sample ${card.id}`,
      prediction: `Prediction of ${target} with ${source}, ${label} ${score("full")}`,
      prediction_muted: `Prediction of ${target} without ${source}, ${label} ${score("muted")}`,
      gain: `Pixels of sample ${card.id} where ${source} helped ${target} in blue, hurt in vermilion`,
    };
    for (const part of made.querySelectorAll("[data-part]")) {
      if (!this.picture(part.querySelector("img"), card, part.dataset.part, words)) part.remove();
    }
    for (const layer of made.querySelectorAll("[data-layer]")) {
      this.picture(layer, card, layer.dataset.layer, words);
    }
    const slider = made.querySelector("input");
    made.querySelector("label span").textContent = `Sample ${card.id}: from with ${source} to without, to the map`;
    slider.addEventListener("input", () => this.slide(made, source));
    this.slide(made, source);
    return made;
  }

  // What the colours of values mean; those of labels are in the legend.
  ends({ low, high }, { unit = "" }) {
    if (low === null) return "";
    const [dark, bright] = [low, high].map((end) => withUnit(fixed(end, 2), unit));
    return ` Colours from ${dark} (dark) to ${bright} (bright).`;
  }

  picture(image, card, part, words) {
    if (card[part] === null) return false;
    image.src = this.images[card[part]];
    image.alt = words[part];
    return true;
  }

  // Fade from the first layer to the second, from the second to the third.
  slide(card, source) {
    const slider = card.querySelector("input");
    const at = Number(slider.value) / STOPS;
    const said = [`with ${source}`, `without ${source}`, "helped, hurt"];
    card.querySelectorAll("[data-layer]").forEach((layer, index) => {
      layer.style.opacity = Math.min(1, Math.max(0, at - index + 1));
      layer.setAttribute("aria-hidden", index !== Math.round(at));
    });
    const text = Number.isInteger(at) ? said[at] : `${said[Math.floor(at)]} fading to ${said[Math.ceil(at)]}`;
    slider.setAttribute("aria-valuetext", text);
    card.querySelector(".stage figcaption").textContent = said[Math.round(at)];
  }
}

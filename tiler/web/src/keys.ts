/** Shortcuts for those who know them; everything is also reached by Tab. */
import { INDEX_NAMES } from "./indices";
import { drawing, place } from "./state/choices";
import { index } from "./state/view";

const press = (selector: string): void => document.querySelector<HTMLElement>(selector)?.click();

const ACTIONS: Readonly<Record<string, () => void>> = {
  "/": () => document.querySelector<HTMLElement>("#place")?.focus(),
  p: () => document.querySelector<HTMLElement>(".map")?.focus(),
  d: () => {
    drawing.value = true;
  },
  u: () => press("[data-key=u]"),
  t: () => press("[data-key=t]"),
  "[": () => turn(-1),
  "]": () => turn(1),
};

function turn(by: number): void {
  const at = INDEX_NAMES.indexOf(index.value) + by + INDEX_NAMES.length;
  if (place.value) index.value = INDEX_NAMES[at % INDEX_NAMES.length] ?? index.value;
}

export function followKeys(): void {
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select");
    const action = ACTIONS[event.key];
    if (!action || typing || event.ctrlKey || event.metaKey || event.altKey || drawing.value) return;
    event.preventDefault();
    action();
  });
}

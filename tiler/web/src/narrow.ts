/** Whether the panel lies below the map and not beside it. */
import { signal } from "@preact/signals";

/** The style sheet asks the same. */
const query = matchMedia("(max-width: 820px)");

export const narrow = signal(query.matches);

query.addEventListener("change", () => {
  narrow.value = query.matches;
});

/** Light or dark: the operating system's, or the reader's own choice; canvases ask here for resolved colours. */
import { effect, signal } from "@preact/signals";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "sen2extract.theme";

function stored(): Theme {
  const saved = localStorage.getItem(KEY);
  return THEMES.find((name) => name === saved) ?? "auto";
}

export const theme = signal<Theme>(stored());
/** Raised whenever the resolved colours changed. */
export const repaint = signal(0);

export function followTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    repaint.value += 1;
  });
  effect(() => {
    const chosen = theme.value;
    document.documentElement.style.colorScheme = chosen === "auto" ? "light dark" : chosen;
    localStorage.setItem(KEY, chosen);
    repaint.value = repaint.peek() + 1;
  });
}

/** The present value of a colour of the style sheet, such as "--accent", as canvases understand it. */
export function colour(name: `--${string}`): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

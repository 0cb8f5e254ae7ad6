/** The words of the page, in the reader's language: the address's, else the one chosen before, else the browser's. */
import { computed, effect, signal } from "@preact/signals";
import { repaint } from "../theme";
import { type Dictionary, en } from "./en";

/** Each language by its own name, whole and short. */
export const LANGUAGES = {
  en: { title: "English", short: "EN" },
  fr: { title: "Français", short: "FR" },
  km: { title: "ខ្មែរ", short: "ខ្មែរ" },
} as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "sen2extract.language";
const dictionary = signal<Dictionary>(en);

/** The dictionary of the day: whoever reads it while rendering, or in an effect, is told when the language changes. */
export const t = new Proxy(en, {
  get: (_, key) => dictionary.value[key as keyof Dictionary],
});

/** What the reader, or the address, asked for; null follows the browser. */
export const chosenLanguage = signal<Language | null>(null);
export const language = computed<Language>(() => chosenLanguage.value ?? browsers());

export function isLanguage(text: string | null): text is Language {
  return text !== null && Object.hasOwn(LANGUAGES, text);
}

function browsers(): Language {
  const known = navigator.languages.map((name) => name.slice(0, 2).toLowerCase());
  return known.find(isLanguage) ?? "en";
}

/** The reader's choice, kept for the next visit. */
export function chooseLanguage(name: Language): void {
  localStorage.setItem(KEY, name);
  chosenLanguage.value = name;
}

/** Loads the words before anything is drawn, and again whenever another language is chosen. */
export async function followLanguage(): Promise<void> {
  const [asked, kept] = [new URLSearchParams(location.search).get("lang"), localStorage.getItem(KEY)];
  chosenLanguage.value = [asked, kept].find(isLanguage) ?? null;
  await speak(language.value);
  effect(() => {
    void speak(language.value);
  });
}

async function speak(name: Language): Promise<void> {
  const words = await load(name);
  // A slower file of a language given up meanwhile must not win.
  if (name !== language.peek()) return;
  dictionary.value = words;
  document.documentElement.lang = words.lang;
  document.title = `${words.name} · ${words.tagline}`;
  // Canvases do not wait for a font by themselves.
  await document.fonts.load(`12px ${FONTS}`, words.months[0]);
  repaint.value = repaint.peek() + 1;
}

async function load(name: Language): Promise<Dictionary> {
  if (name === "fr") return (await import("./fr")).fr;
  return name === "km" ? (await import("./km")).km : en;
}

/** What canvases write with: the page's own fonts. */
export const FONTS = '"Noto Sans Khmer Variable", system-ui, "Noto Sans Khmer", sans-serif';

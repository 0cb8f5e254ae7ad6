import { type Dictionary, en } from "./en";

/** The active dictionary. One language today; a signal takes its place when there are more. */
export const t: Dictionary = en;

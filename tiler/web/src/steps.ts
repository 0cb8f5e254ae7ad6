/** Calendar steps over which the server sums up, by its names for them. */
export const STEPS = ["isoweek", "epiweek", "dekad", "P1M", "P1Y"] as const;
export type Step = (typeof STEPS)[number];

export function isStep(text: string | null): text is Step {
  return STEPS.some((name) => name === text);
}

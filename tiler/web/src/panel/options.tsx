import { hasYears, yearOf } from "../climate";
import { t } from "../i18n";
import { answeredClear, extent, series } from "../state/answers";
import { ghost, stepName, usual } from "../state/view";
import { isStep, STEPS } from "../steps";

/** What the curve is summed up by. */
export function StepChoice() {
  return (
    <label class="step-choice">
      {t.step.label}{" "}
      <select
        value={stepName.value ?? ""}
        onChange={(event) => {
          const name = event.currentTarget.value;
          stepName.value = isStep(name) ? name : null;
        }}
      >
        <option value="">{t.step.each}</option>
        {STEPS.map((name) => (
          <option key={name} value={name}>
            {t.step.names[name]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What the curve is compared with, where there is more than a year of it. */
export function CurveOptions() {
  if (!hasYears(answeredClear.value) && !willHaveYears()) return null;
  return (
    <div class="options">
      <Toggle text={t.also.ghost} on={ghost} />
      <Toggle text={t.also.usual} on={usual} />
    </div>
  );
}

/** So that nothing moves when an earlier year arrives. */
function willHaveYears(): boolean {
  const [from, to] = extent.value ?? [0, 0];
  return series.value.kind === "loading" && yearOf(from) < yearOf(to);
}

function Toggle({ text, on }: { readonly text: string; readonly on: typeof ghost }) {
  return (
    <label class="toggle">
      <input
        type="checkbox"
        checked={on.value}
        onChange={(event) => {
          on.value = event.currentTarget.checked;
        }}
      />{" "}
      {text}
    </label>
  );
}

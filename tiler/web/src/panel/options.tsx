import { hasYears } from "../climate";
import { t } from "../i18n";
import { answeredClear } from "../state/answers";
import { ghost, stepName, usual } from "../state/view";
import { isStep, STEPS } from "../steps";

/** How the curve is summed up, and what it is compared with. */
export function CurveOptions() {
  const years = hasYears(answeredClear.value);
  return (
    <div class="options">
      <label>
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
      {years && <Toggle text={t.also.ghost} on={ghost} />}
      {years && <Toggle text={t.also.usual} on={usual} />}
    </div>
  );
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

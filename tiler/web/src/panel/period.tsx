import { t } from "../i18n";
import { EVERYTHING, type Period, YEARS } from "../period";
import { period } from "../state/view";

/** How much of the time axis is shown; a span dragged on the chart is taken back here. */
export function PeriodChoice() {
  const now = period.value;
  return (
    <div class="period">
      <fieldset class="layers">
        <legend class="visually-hidden">{t.period.label}</legend>
        {YEARS.map((years) => (
          <Choice
            key={years}
            text={t.period.years(years)}
            means={{ kind: "years", years }}
            chosen={now.kind === "years" && now.years === years}
          />
        ))}
        <Choice text={t.period.all} means={EVERYTHING} chosen={now.kind === "all"} />
      </fieldset>
      {now.kind === "span" && (
        <button
          type="button"
          class="link"
          onClick={() => {
            period.value = EVERYTHING;
          }}
        >
          {t.period.reset}
        </button>
      )}
    </div>
  );
}

interface ChoiceProps {
  readonly text: string;
  readonly means: Period;
  readonly chosen: boolean;
}

function Choice({ text, means, chosen }: ChoiceProps) {
  return (
    <label>
      <input
        type="radio"
        name="period"
        checked={chosen}
        onChange={() => {
          period.value = means;
        }}
      />
      <span>{text}</span>
    </label>
  );
}

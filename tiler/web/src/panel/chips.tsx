import { t } from "../i18n";
import { INDEX_NAMES } from "../indices";
import { index } from "../state/view";

/** The choice of index, each with what it tells in plain words. */
export function Chips() {
  const { meaning, formula } = t.indices[index.value];
  return (
    <fieldset class="chips">
      <legend class="visually-hidden">{t.indexLegend}</legend>
      <div class="chip-row">
        {INDEX_NAMES.map((name) => (
          <label key={name} class="chip" title={t.indices[name].meaning}>
            <input
              type="radio"
              name="index"
              value={name}
              checked={index.value === name}
              onChange={() => {
                index.value = name;
              }}
            />
            <span class="chip-title">{t.indices[name].title}</span>
            <span class="chip-short">{t.indices[name].short}</span>
          </label>
        ))}
      </div>
      <p class="meaning">
        {meaning} <span class="formula">{formula}</span>
      </p>
    </fieldset>
  );
}

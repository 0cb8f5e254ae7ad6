import { formatDate, formatNumber } from "../format";
import { t } from "../i18n";
import { INDEX_STYLES } from "../indices";
import { hasColour } from "../map/imagery";
import { heldTiles, index, type Layer, layer, place, scenes, selected } from "../state";

/** What the map shows now, on the map itself: the date, the choice of layer, and the legend of colours. */
export function Shown() {
  if (heldTiles.value.length === 0) return null;
  const sample = place.value ? selected.value : null;
  const missing =
    sample !== null && layer.value === "colour" && (scenes.value?.length ?? 0) > 0 && !hasColour();
  return (
    <div class="shown">
      <fieldset class="layers">
        <legend class="visually-hidden">{t.map.layers}</legend>
        <Choice value="colour" text={t.map.colour} />
        {sample && <Choice value="index" text={t.indices[index.value].title} />}
        <Choice value="none" text={t.map.none} />
      </fieldset>
      <p class="shown-date">{caption(sample?.time, missing)}</p>
      {sample && layer.value === "index" && <Legend />}
    </div>
  );
}

function caption(time: number | undefined, missing: boolean): string {
  if (missing) return t.map.noColour;
  if (layer.value === "none") return t.map.coverage;
  return time === undefined ? t.map.newest : formatDate(time);
}

function Choice({ value, text }: { readonly value: Layer; readonly text: string }) {
  return (
    <label>
      <input
        type="radio"
        name="layer"
        value={value}
        checked={layer.value === value}
        onChange={() => {
          layer.value = value;
        }}
      />
      <span>{text}</span>
    </label>
  );
}

function Legend() {
  const { rescale, ramp } = INDEX_STYLES[index.value];
  return (
    <div class="ramp">
      <div style={{ background: ramp }} />
      <span>{formatNumber(rescale[0], 1)}</span>
      <span>{formatNumber(rescale[1], 1)}</span>
    </div>
  );
}

import { formatDate, formatNumber } from "../format";
import { CLASSES } from "../freshness";
import { t } from "../i18n";
import { INDEX_STYLES } from "../indices";
import { IMAGERY_ZOOM } from "../map/coverage";
import { hasClasses, hasColour, hasTop } from "../map/imagery";
import { MASKED } from "../masks";
import type { Sample } from "../series";
import { other, selected } from "../state/answers";
import { heldTiles, scenes } from "../state/archive";
import { place } from "../state/choices";
import { clouds, index, type Layer, layer, swipe, zoom } from "../state/view";

/** What the map shows now, on the map itself: the date, the choice of layer, and the legend of colours. */
export function Shown() {
  if (heldTiles.value.length === 0) return null;
  const sample = place.value ? selected.value : null;
  const missing =
    sample !== null && layer.value === "colour" && (scenes.value?.length ?? 0) > 0 && !hasColour();
  return (
    <>
      <div class="shown">
        <fieldset class="layers">
          <legend class="visually-hidden">{t.map.layers}</legend>
          <Choice value="colour" text={t.map.colour} />
          {sample && hasTop() && <Choice value="top" text={t.map.top} />}
          {sample && <Choice value="index" text={t.indices[index.value].title} />}
          <Choice value="none" text={t.map.none} />
        </fieldset>
        <p class="shown-date">{caption(sample?.time, missing)}</p>
        {sample && layer.value === "index" && <Legend />}
        {sample && hasClasses() && <Clouds />}
        {(zoom.value ?? 0) < IMAGERY_ZOOM && <Fresh />}
      </div>
      {other.value && sample && <Swipe left={other.value} right={sample} />}
    </>
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

/** What the colours of the tiles say, seen from afar. */
function Fresh() {
  return (
    <div class="clouds">
      <p>{t.coverage.newest}</p>
      <ul>
        {CLASSES.map(({ colour }, at) => (
          <li key={colour}>
            <span style={{ background: `var(${colour})` }} /> {t.coverage.classes[at]}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Marks what the default cloud mask leaves out. */
function Clouds() {
  return (
    <div class="clouds">
      <label class="toggle">
        <input
          type="checkbox"
          checked={clouds.value}
          onChange={(event) => {
            clouds.value = event.currentTarget.checked;
          }}
        />{" "}
        {t.map.clouds}
      </label>
      {clouds.value && (
        <ul>
          {(Object.keys(MASKED) as (keyof typeof MASKED)[]).map((name) => (
            <li key={name}>
              <span style={{ background: `rgb(${MASKED[name][0].slice(0, 3).join(" ")})` }} />{" "}
              {t.masked[name]}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** A slider as wide as the map: what is left of it shows the one date, what is right the other. */
function Swipe({ left, right }: { readonly left: Sample; readonly right: Sample }) {
  const dates = [left, right].map(({ time }) => formatDate(time)) as [string, string];
  return (
    <div class="swipe" style={{ "--at": `${swipe.value * 100}%` }}>
      <span class="swipe-left">{dates[0]}</span>
      <span class="swipe-right">{dates[1]}</span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.01"
        value={swipe.value}
        aria-label={t.compare.swipe(...dates)}
        onInput={(event) => {
          swipe.value = event.currentTarget.valueAsNumber;
        }}
      />
    </div>
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

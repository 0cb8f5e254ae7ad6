import { SURFACE_COLLECTION, TOP_COLLECTION } from "../api";
import { itemUrl, type Scene } from "../catalogue";
import { formatDate, formatTime } from "../format";
import { t } from "../i18n";
import { sceneIn } from "../map/imagery";
import type { Sample } from "../series";
import { service } from "../services";
import { answeredClear, compareWith, exclude, isExcluded, other, selected, step } from "../state/answers";
import { scenes } from "../state/archive";
import { reading } from "./curve";

/** The acquisition that the map shows: what it is, its neighbours, and where its data are. */
export function ImageCard() {
  const sample = selected.value;
  if (!sample) return null;
  return (
    <section class="card image" aria-labelledby="image-heading">
      <div class="image-head">
        <h2 id="image-heading">{t.image.heading}</h2>
        <Stepper />
      </div>
      <p class="image-date" aria-live="polite">
        <strong>{formatDate(sample.time)}</strong> <span class="muted">{formatTime(sample.time)}</span>
        <span class="reading">{reading(sample)}</span>
      </p>
      <Facts sample={sample} />
      <Products />
      <Judge sample={sample} />
    </section>
  );
}

function Stepper() {
  return (
    <span class="stepper">
      <button type="button" class="button" aria-label={t.image.previous} onClick={() => step(-1)}>
        ←
      </button>
      <button type="button" class="button" aria-label={t.image.next} onClick={() => step(1)}>
        →
      </button>
    </span>
  );
}

function Facts({ sample }: { readonly sample: Sample }) {
  const properties = (sceneIn(SURFACE_COLLECTION) ?? scenes.value?.[0])?.properties;
  const cloud = properties?.["eo:cloud_cover"];
  const facts: readonly (readonly [string, string | undefined])[] = [
    [t.image.tile, sample.tiles.join(", ")],
    [
      t.image.satellite,
      properties?.platform?.replace("sentinel-", "Sentinel-").toUpperCase().replace("SENTINEL", "Sentinel"),
    ],
    [t.image.cloud, typeof cloud === "number" ? `${Math.round(cloud)} %` : undefined],
    [t.image.baseline, properties?.["s2:processing_baseline"]],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text || "–"}</dd>
        </div>
      ))}
    </dl>
  );
}

function Products() {
  const surface = sceneIn(SURFACE_COLLECTION);
  const top = sceneIn(TOP_COLLECTION);
  return (
    <p class="products">
      {surface && <Product scene={surface} text={t.image.surface} />}
      {top ? (
        <Product scene={top} text={t.image.top} />
      ) : (
        <span class="muted">{scenes.value ? t.image.noTop : ""}</span>
      )}
    </p>
  );
}

/** An item's own document, and its page in the operator's STAC Browser, if there is one. */
function Product({ scene, text }: { readonly scene: Scene; readonly text: string }) {
  const browser = service("stac-browser");
  return (
    <span>
      <a href={itemUrl(scene)}>{text}</a>
      {browser && (
        <>
          {" "}
          (<a href={browser + itemUrl(scene)}>{t.image.browser}</a>)
        </>
      )}
    </span>
  );
}

/** Whether the image counts, and which other it is compared with. */
function Judge({ sample }: { readonly sample: Sample }) {
  const out = isExcluded(sample);
  const choices = answeredClear.value.filter((one) => one !== sample).toReversed();
  return (
    <div class="options">
      <label>
        {t.compare.label}{" "}
        <select
          value={other.value?.datetime ?? ""}
          onChange={(event) => {
            compareWith(choices.find(({ datetime }) => datetime === event.currentTarget.value) ?? null);
          }}
        >
          <option value="">{t.compare.none}</option>
          {choices.map(({ datetime, time }) => (
            <option key={datetime} value={datetime}>
              {formatDate(time)}
            </option>
          ))}
        </select>
      </label>
      <label class="toggle">
        <input
          type="checkbox"
          checked={out}
          onChange={(event) => exclude(sample, event.currentTarget.checked)}
        />{" "}
        {t.image.exclude}
      </label>
    </div>
  );
}

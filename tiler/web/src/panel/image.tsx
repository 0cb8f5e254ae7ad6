import { SURFACE_COLLECTION, TOP_COLLECTION } from "../api";
import { itemUrl } from "../catalogue";
import { formatDate, formatTime } from "../format";
import { t } from "../i18n";
import { hasColour, sceneIn } from "../map/imagery";
import { bodyOf, GEOJSON, type Sample, seriesUrl, type Where } from "../series";
import { allOfIt, index, layer, scenes, selected, step } from "../state";
import { colourTiles, indexTiles } from "../tiles";
import { CopyField } from "./copy";
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
      <Elsewhere sample={sample} />
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
  const top = scenes.value?.find((scene) => scene.collection === TOP_COLLECTION);
  return (
    <p class="products">
      {surface && <a href={itemUrl(surface)}>{t.image.surface}</a>}
      {top ? (
        <a href={itemUrl(top)}>{t.image.top}</a>
      ) : (
        <span class="muted">{scenes.value ? t.image.noTop : ""}</span>
      )}
    </p>
  );
}

function curl(asked: Where): string {
  return `curl -H 'content-type: ${GEOJSON}' -d '${bodyOf(asked)}' '${seriesUrl(asked, index.value, "csv")}'`;
}

function Elsewhere({ sample }: { readonly sample: Sample }) {
  const asked = allOfIt.value;
  if (!asked) return null;
  const tiles =
    layer.value === "index" || !hasColour()
      ? indexTiles(sample.itemId, index.value)
      : colourTiles(sample.itemId);
  return (
    <details>
      <summary>{t.image.details}</summary>
      <CopyField label={t.image.tileUrl} text={tiles} />
      {asked.kind === "place" ? (
        <CopyField label={t.image.apiUrl} text={seriesUrl(asked, index.value, "json")} />
      ) : (
        <CopyField label={t.image.curl} text={curl(asked)} />
      )}
    </details>
  );
}

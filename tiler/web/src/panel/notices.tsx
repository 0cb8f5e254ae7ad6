/** What stands in the place of a curve where there is none: outside coverage, refused, or the server is away. */
import { useSignal } from "@preact/signals";
import { AREA_REQUESTS, requestArea } from "../areas";
import { formatNumber } from "../format";
import { t } from "../i18n";
import { nearestTile } from "../map/coverage";
import { service } from "../services";
import type { SeriesState } from "../state/answers";
import { outline, pick, place } from "../state/choices";
import { WaysOut } from "./larger";
import { isAway, wordsOf } from "./problem";
import { again } from "./reading";

export function Outside() {
  const near = place.value ? nearestTile(place.value) : null;
  return (
    <div class="notice" role="status">
      <h3>{t.outside.title}</h3>
      <p>{near ? t.outside.nearest(near.code, formatNumber(near.km, 0)) : t.outside.hint}</p>
      {near && (
        <button type="button" class="button" onClick={() => pick(near.place.lon, near.place.lat)}>
          {t.outside.go}
        </button>
      )}
      <RequestArea />
    </div>
  );
}

/** Offered only where the catalogue says that it takes requests. */
function RequestArea() {
  const said = useSignal("");
  const [url, at] = [service(AREA_REQUESTS), place.value];
  if (!url || !at) return null;
  const onClick = async (): Promise<void> => {
    try {
      await requestArea(url, outline.value ?? { type: "Point", coordinates: [at.lon, at.lat] });
      said.value = t.outside.requested;
    } catch (error) {
      said.value = wordsOf(error);
    }
  };
  return (
    <>
      {said.value !== t.outside.requested && (
        <button type="button" class="button primary" onClick={onClick}>
          {t.outside.request}
        </button>
      )}
      <p role="status">{said.value}</p>
    </>
  );
}

type Failed = Extract<SeriesState, { readonly kind: "failed" }>;

export function Failure({ state: { status, message, wayOut } }: { readonly state: Failed }) {
  const away = isAway(status);
  return (
    <div class="notice" role="alert">
      <h3>{away ? t.failure.network : status === 413 ? t.failure.large : t.failure.http}</h3>
      {status === 413 && <p>{t.failure.largeHint}</p>}
      {away ? (
        <p>{t.failure.networkHint}</p>
      ) : (
        <p class="muted hint" lang="en">
          {message}
        </p>
      )}
      {status === 413 ? (
        <WaysOut wayOut={wayOut} />
      ) : (
        <button type="button" class="button primary" onClick={again}>
          {t.failure.retry}
        </button>
      )}
    </div>
  );
}

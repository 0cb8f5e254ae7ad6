/** Everything that can be taken away: the same request in each format, and as code. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { INDEX_NAMES } from "../indices";
import { hasColour } from "../map/imagery";
import { bodyOf, GEOJSON, seriesUrl, type Where } from "../series";
import { selected } from "../state/answers";
import { allOfIt } from "../state/choices";
import { summing } from "../state/curves";
import { index, layer, stepName } from "../state/view";
import { colourTiles, indexTiles } from "../tiles";
import { CopyField } from "./copy";
import { save, Take } from "./download";

interface Format {
  readonly name: keyof typeof t.take.formats;
  readonly suffix: string;
  readonly options: Readonly<Record<string, string>>;
}

const EVERY_INDEX = { index: INDEX_NAMES.join(",") };

const FORMATS: readonly Format[] = [
  { name: "wide", suffix: "csv", options: { profile: "wide", ...EVERY_INDEX } },
  { name: "excel", suffix: "csv", options: { profile: "excel" } },
  { name: "sen2chain", suffix: "csv", options: { profile: "sen2chain" } },
  { name: "parquet", suffix: "parquet", options: {} },
  { name: "geojson", suffix: "geojson", options: {} },
  { name: "covjson", suffix: "covjson", options: {} },
];

/** Whether files hold every index of the page, or the one of the curve. */
const everyIndex = signal(false);

export function Formats() {
  const asked = allOfIt.value;
  if (!asked) return null;
  // The predecessor's columns are those of single images.
  const offered = FORMATS.filter(({ name }) => name !== "sen2chain" || stepName.value === null);
  return (
    <details class="menu">
      <summary>{t.take.more}</summary>
      <label class="toggle">
        <input
          type="checkbox"
          checked={everyIndex.value}
          onChange={(event) => {
            everyIndex.value = event.currentTarget.checked;
          }}
        />{" "}
        {t.take.everyIndex}
      </label>
      <ul>
        {offered.map(({ name, suffix, options }) => (
          <li key={name}>
            <Take
              asked={asked}
              format={suffix}
              options={everyIndex.value ? { ...options, ...EVERY_INDEX } : options}
              text={t.take.formats[name]}
              kind="link"
            />
          </li>
        ))}
        <li>
          <button type="button" class="link" onClick={() => void takePicture()}>
            {t.take.picture}
          </button>
        </li>
        {asked.kind !== "place" && (
          <li>
            <button type="button" class="link" onClick={() => takeOutlines(asked)}>
              {t.take.outlines}
            </button>
          </li>
        )}
      </ul>
    </details>
  );
}

/** The tool is fetched when it is wanted. */
async function takePicture(): Promise<void> {
  const { drawPicture } = await import("../picture");
  save(await drawPicture(), `${index.value}.png`);
}

function takeOutlines(asked: Where): void {
  save(new Blob([bodyOf(asked) ?? ""], { type: GEOJSON }), OUTLINES);
}

const OUTLINES = "sites.geojson";

type Code = Readonly<Record<"curl" | "python" | "r", string>>;
const code = signal<Code | null>(null);

export function Elsewhere() {
  const asked = allOfIt.value;
  const options = summing.value;
  const name = index.value;
  useEffect(() => {
    if (!asked) return;
    void import("../snippets").then(({ snippets }) => {
      code.value = snippets(seriesUrl(asked, name, "csv", options), bodyOf(asked), OUTLINES);
    });
  }, [asked, options, name]);
  if (!asked) return null;
  return (
    <details class="menu">
      <summary>{t.image.details}</summary>
      <CopyField label={t.take.link} text={location.href} />
      {code.value && (
        <>
          <CopyField label={t.image.curl} text={code.value.curl} />
          <CopyField label={t.take.python} text={code.value.python} />
          <CopyField label={t.take.r} text={code.value.r} />
        </>
      )}
      <MapTiles />
    </details>
  );
}

function MapTiles() {
  const sample = selected.value;
  if (!sample) return null;
  const asIndex = layer.value === "index" || !hasColour();
  const tiles = asIndex ? indexTiles(sample.itemId, index.value) : colourTiles(sample.itemId);
  return <CopyField label={t.image.tileUrl} text={tiles} />;
}

/** Asks in which coordinate system a file is that does not say so, and reads it again. */
import { useId, useState } from "preact/hooks";
import { t } from "../i18n";
import { heldTiles } from "../state/archive";

/** The UTM zone of a tile's name, as EPSG has it: 48PWU lies north, 48LWU south of the equator. */
const zoneOf = (tile: string): string => {
  const [, zone = "", band = ""] = /(\d{2})([C-X])[A-Z]{2}$/.exec(tile) ?? [];
  return zone && `EPSG:32${band >= "N" ? 6 : 7}${zone}`;
};

/** A file for the server that says it, as a shapefile's `.prj` does. */
export const saying = (crs: string): File => new File([crs], "crs.prj");

export function CoordinateSystem({ read }: { readonly read: (crs: string) => void }) {
  const zones = [...new Set(heldTiles.value.map(({ code }) => zoneOf(code)).filter(Boolean))];
  const [crs, setCrs] = useState(zones[0] ?? "EPSG:");
  const [field, list] = [useId(), useId()];
  return (
    <form
      class="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        read(crs.trim());
      }}
    >
      <label for={field}>{t.upload.crs}</label>
      <input
        id={field}
        type="text"
        list={list}
        value={crs}
        required
        pattern="\s*[A-Za-z]+:\d+\s*"
        onInput={(event) => setCrs(event.currentTarget.value)}
      />
      <datalist id={list}>
        {zones.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <button type="submit" class="button">
        {t.upload.again}
      </button>
    </form>
  );
}

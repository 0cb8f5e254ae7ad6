import { links } from "../api";
import { formatDate, formatYears } from "../format";
import { t } from "../i18n";
import { examplePlace } from "../map/coverage";
import { narrow } from "../narrow";
import { samples } from "../state/answers";
import { coverageState, heldTiles } from "../state/archive";
import { pick, place } from "../state/choices";
import { THEMES, theme } from "../theme";
import { AreaDoor } from "./area";
import { Jobs } from "./jobs";
import { LanguageChoice } from "./language";
import { Search } from "./search";
import { PlaceView } from "./series";
import { DropZone } from "./upload";

/** What to do, then what was found; below the map, where there is less room, what was found comes first. */
export function Panel() {
  const ways = [<Search key="search" />, <AreaDoor key="area" />, <Jobs key="jobs" />];
  const found = place.value ? <PlaceView key="place" /> : <Welcome key="welcome" />;
  return (
    <main class={place.value ? "panel with-place" : "panel"}>
      <header class="masthead">
        <div class="masthead-row">
          <h1>
            <Logo />
            {t.name}
          </h1>
          <LanguageChoice />
        </div>
        <p class="muted">{t.tagline}</p>
      </header>
      {narrow.value && place.value ? [found, ...ways] : [...ways, found]}
      <Foot />
      <DropZone />
    </main>
  );
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--brand)" />
      <path
        d="M5 22c4 0 4-11 8-11s4 7 7 7 3-9 7-9"
        fill="none"
        stroke="#fff"
        stroke-width="2.6"
        stroke-linecap="round"
      />
      <circle cx="27" cy="9" r="2.6" fill="#ffd24a" />
    </svg>
  );
}

function Welcome() {
  const example = examplePlace();
  return (
    <section class="welcome">
      <Preview />
      <ol class="steps">
        {t.steps.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ol>
      <p class="lead">{t.welcome.lead}</p>
      {example && (
        <button type="button" class="button primary" onClick={() => pick(example.lon, example.lat)}>
          {t.welcome.example}
        </button>
      )}
      <p class="muted" role="status">
        {holdings()}
      </p>
    </section>
  );
}

/** What the reader is going to see, in small: clear dates on a line, cloudy ones as ticks. */
function Preview() {
  const dots = [
    [14, 74],
    [60, 66],
    [92, 40],
    [130, 16],
    [172, 22],
    [214, 56],
    [262, 76],
    [304, 62],
    [340, 28],
    [384, 18],
  ] as const;
  return (
    <svg class="preview" viewBox="0 0 400 104" aria-hidden="true">
      <path d="M0 20H400M0 52H400M0 84H400" class="preview-grid" />
      <path class="preview-fill" d={`M14 96L${dots.map((dot) => dot.join(" ")).join("L")}L384 96Z`} />
      <polyline class="preview-line" points={dots.map((dot) => dot.join(",")).join(" ")} />
      {dots.map(([x, y]) => (
        <circle key={x} cx={x} cy={y} r="4.5" />
      ))}
      <path class="preview-ticks" d="M38 96v-9M76 96v-9M112 96v-9M196 96v-9M236 96v-9M284 96v-9M362 96v-9" />
    </svg>
  );
}

function holdings(): string {
  const tiles = heldTiles.value;
  if (coverageState.value === "failed") return `${t.failure.network}. ${t.failure.coverage}`;
  if (tiles.length > 0)
    return t.welcome.held(tiles.length, formatDate(Math.max(...tiles.map((tile) => tile.newest))));
  return coverageState.value === "loading" ? t.welcome.looking : t.welcome.empty;
}

function Foot() {
  const years = formatYears([
    ...samples.value.map((sample) => sample.time),
    ...heldTiles.value.map((tile) => tile.newest),
  ]);
  return (
    <footer class="foot muted">
      <p>
        {t.attribution.sentinel(years)}. {t.attribution.base}. {t.attribution.names}.
      </p>
      <nav>
        <a href={links.stac}>{t.links.stac}</a>
        <a href={links.raster}>{t.links.raster}</a>
        <a href={`${links.raster}api.html`}>{t.links.docs}</a>
      </nav>
      <label class="theme">
        {t.theme.label}{" "}
        <select
          value={theme.value}
          onChange={(event) => {
            const chosen = THEMES.find((name) => name === event.currentTarget.value);
            if (chosen) theme.value = chosen;
          }}
        >
          {THEMES.map((name) => (
            <option key={name} value={name}>
              {t.theme[name]}
            </option>
          ))}
        </select>
      </label>
    </footer>
  );
}

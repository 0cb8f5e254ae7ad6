import { useSignal } from "@preact/signals";
import { parseArea } from "../area";
import { formatHectares, formatShare } from "../format";
import { t } from "../i18n";
import { chooseArea, drawing, place, sketched } from "../state/choices";
import { leastValid } from "../state/view";
import { UploadButton, UploadProblem } from "./upload";

/** The ways to an area: drawing it on the map, a file of sites, or typing it. */
export function AreaDoor() {
  if (drawing.value) return <Drawing />;
  return (
    <div class="area-door">
      <div class="doors">
        {!place.value && (
          <button type="button" class="button" aria-keyshortcuts="p" onClick={goToMap}>
            {t.area.click}
          </button>
        )}
        <button
          type="button"
          class="button"
          aria-keyshortcuts="d"
          onClick={() => {
            drawing.value = true;
          }}
        >
          {t.area.draw}
        </button>
        <UploadButton />
      </div>
      <Typed />
      <UploadProblem />
    </div>
  );
}

/** To a mouse the map needs no door; a keyboard is put onto it, where Enter chooses the middle. */
function goToMap(): void {
  const map = document.querySelector<HTMLElement>(".map");
  map?.scrollIntoView({ block: "nearest" });
  map?.focus();
}

function Drawing() {
  return (
    <div class="card drawing">
      <p role="status">
        {t.area.drawing} <span class="muted">{t.area.keys}</span>
      </p>
      <p class="hectares">{t.area.hectares(formatHectares(sketched.value))}</p>
      <button
        type="button"
        class="button"
        onClick={() => {
          drawing.value = false;
        }}
      >
        {t.area.cancel}
      </button>
    </div>
  );
}

function Typed() {
  const wrong = useSignal(false);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const found = parseArea((form.elements.namedItem("outline") as HTMLTextAreaElement).value);
    wrong.value = found === null;
    if (!found) return;
    chooseArea(found);
    form.closest("details")?.removeAttribute("open");
  };
  return (
    <details>
      <summary>{t.area.type}</summary>
      <form onSubmit={submit} noValidate>
        <label for="outline">{t.area.label}</label>
        <textarea
          id="outline"
          name="outline"
          rows={4}
          spellcheck={false}
          placeholder={"12.45, 107.19\n12.45, 107.21\n12.43, 107.20"}
          aria-invalid={wrong.value}
          aria-describedby="outline-problem"
        />
        <button type="submit" class="button">
          {t.area.show}
        </button>
        <p id="outline-problem" class="problem" role="alert">
          {wrong.value ? t.area.invalid : ""}
        </p>
      </form>
    </details>
  );
}

/** The least share of valid pixels; the curve follows at once, without a request. */
export function ValidSlider() {
  return (
    <div class="valid">
      <label for="valid">{t.valid.label}</label>
      <output for="valid">{formatShare(leastValid.value)}</output>
      <input
        id="valid"
        type="range"
        min="0"
        max="100"
        step="5"
        value={Math.round(leastValid.value * 100)}
        onInput={(event) => {
          leastValid.value = event.currentTarget.valueAsNumber / 100;
        }}
      />
      <p class="muted hint">{t.valid.note}</p>
    </div>
  );
}

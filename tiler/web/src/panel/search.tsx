import { useSignal } from "@preact/signals";
import { parsePlace } from "../coordinates";
import { findTowns, type Town } from "../gazetteer";
import { t } from "../i18n";
import { choosePlace } from "../state/choices";

const LEAST_LETTERS = 2;

/** Coordinates or a town typed by hand: the way to a place without a mouse. */
export function Search() {
  const wrong = useSignal(false);
  const towns = useSignal<readonly Town[]>([]);
  const choose = (town: Town): void => {
    towns.value = [];
    choosePlace(town.place);
  };
  const look = async (text: string): Promise<readonly Town[]> =>
    text.trim().length < LEAST_LETTERS || parsePlace(text) ? [] : findTowns(text);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("place") as HTMLInputElement;
    const found = parsePlace(input.value);
    const [town] = found ? [] : await look(input.value);
    wrong.value = !found && !town;
    towns.value = [];
    choosePlace(found ?? town?.place ?? null);
  };
  return (
    <search>
      <form class="search" onSubmit={submit} noValidate>
        <label class="visually-hidden" for="place">
          {t.search.label}
        </label>
        <input
          id="place"
          name="place"
          type="text"
          autocomplete="off"
          placeholder={t.search.placeholder}
          aria-invalid={wrong.value}
          aria-describedby="place-problem"
          aria-keyshortcuts="/"
          onInput={async ({ currentTarget }) => {
            const text = currentTarget.value;
            const found = await look(text);
            // Slower answers to fewer letters come too late.
            if (currentTarget.value === text) towns.value = found;
          }}
        />
        <button type="submit" class="button">
          {t.search.go}
        </button>
        <p id="place-problem" class="problem" role="alert">
          {wrong.value ? t.search.invalid : ""}
        </p>
      </form>
      {towns.value.length > 0 && (
        <ul class="towns" aria-label={t.search.towns}>
          {towns.value.map((town) => (
            <li key={`${town.name}${town.place.lon}`}>
              <button type="button" class="link" onClick={() => choose(town)}>
                {town.name}
              </button>{" "}
              <span class="muted">{countryName(town.country)}</span>
            </li>
          ))}
        </ul>
      )}
    </search>
  );
}

function countryName(code: string): string {
  return new Intl.DisplayNames([t.lang, "en"], { type: "region" }).of(code) ?? code;
}

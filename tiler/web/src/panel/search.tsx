import { useSignal } from "@preact/signals";
import { parsePlace } from "../coordinates";
import { t } from "../i18n";
import { choosePlace } from "../state";

/** Coordinates typed by hand: the way to a place without a mouse. */
export function Search() {
  const wrong = useSignal(false);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("place") as HTMLInputElement;
    const found = parsePlace(input.value);
    wrong.value = found === null;
    choosePlace(found);
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
        />
        <button type="submit" class="button">
          {t.search.go}
        </button>
        <p id="place-problem" class="problem" role="alert">
          {wrong.value ? t.search.invalid : ""}
        </p>
      </form>
    </search>
  );
}

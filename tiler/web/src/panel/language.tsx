import { chooseLanguage, isLanguage, LANGUAGES, language, t } from "../i18n";

/** The choice of language, each by its own name. */
export function LanguageChoice() {
  return (
    <fieldset class="layers languages">
      <legend class="visually-hidden">{t.language}</legend>
      {Object.entries(LANGUAGES).map(([name, { title, short }]) => (
        <label key={name} lang={name} title={title}>
          <input
            type="radio"
            name="language"
            value={name}
            aria-label={title}
            checked={language.value === name}
            onChange={() => {
              if (isLanguage(name)) chooseLanguage(name);
            }}
          />
          <span aria-hidden="true">{short}</span>
        </label>
      ))}
    </fieldset>
  );
}

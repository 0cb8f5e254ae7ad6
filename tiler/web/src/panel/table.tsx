import type { ComponentChildren } from "preact";
import { formatDate, formatValue } from "../format";
import { t } from "../i18n";
import { samples, select, selected } from "../state/answers";
import { steps } from "../state/curves";
import { index, stepName } from "../state/view";

/** The curve's twin for readers of numbers: every image, or every step, newest first. */
export function Table() {
  return stepName.value ? <StepTable /> : <ImageTable />;
}

function StepTable() {
  return (
    <Frame first={t.step.period}>
      {steps.value.toReversed().map(({ datetime, summed, value }) => (
        <tr key={datetime}>
          <td>
            <time dateTime={datetime}>{summed?.label}</time>
          </td>
          <td class="number" data-value={value ?? ""}>
            {value === null ? "" : formatValue(value)}
          </td>
          <td class="muted">{t.step.counted(summed?.clear ?? 0, summed?.images ?? 0)}</td>
        </tr>
      ))}
    </Frame>
  );
}

function ImageTable() {
  return (
    <Frame first={t.columns.date}>
      {samples.value.toReversed().map((sample) => (
        <tr key={sample.itemId + sample.datetime} class={sample === selected.value ? "chosen" : ""}>
          <td>
            <button
              type="button"
              class="link"
              aria-pressed={sample === selected.value}
              title={t.showImage(formatDate(sample.time))}
              onClick={() => select(sample)}
            >
              <time dateTime={sample.datetime}>{sample.datetime.slice(0, 10)}</time>
            </button>
          </td>
          <td class="number" data-value={sample.value ?? ""}>
            {sample.value === null ? "" : formatValue(sample.value)}
          </td>
          <td class="muted" title={sample.reason ?? ""}>
            {t.status[sample.status]}
          </td>
        </tr>
      ))}
    </Frame>
  );
}

/** Head and body: what the rows are of comes first, then the value, then what is said of it. */
function Frame({ first, children }: { first: string; children: ComponentChildren }) {
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            <th scope="col">{first}</th>
            <th scope="col" class="number">
              {t.indices[index.value].title}
            </th>
            <th scope="col">{t.columns.state}</th>
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

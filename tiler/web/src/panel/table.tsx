import { formatDate, formatValue } from "../format";
import { t } from "../i18n";
import { index, samples, select, selected, stepName, steps } from "../state";

/** The curve's twin for readers of numbers: every image, or every step, newest first. */
export function Table() {
  return stepName.value ? <StepTable /> : <ImageTable />;
}

function StepTable() {
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            <th scope="col">{t.step.period}</th>
            <th scope="col" class="number">
              {t.indices[index.value].title}
            </th>
            <th scope="col">{t.columns.state}</th>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  );
}

function ImageTable() {
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            <th scope="col">{t.columns.date}</th>
            <th scope="col" class="number">
              {t.indices[index.value].title}
            </th>
            <th scope="col">{t.columns.state}</th>
          </tr>
        </thead>
        <tbody>
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
                {t.status[sample.status] ?? sample.status}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

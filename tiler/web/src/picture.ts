/** The chart as a picture to show elsewhere: with its title, what it is of, and its sources. */
import { formatYears } from "./format";
import { FONTS, t } from "./i18n";
import { samples } from "./state/answers";
import { lines } from "./state/curves";
import { index } from "./state/view";
import { colour } from "./theme";

const [PAD, TITLE, LINE] = [24, 20, 18];

/** A PNG of what the chart shows now, at the screen's resolution. */
export async function drawPicture(): Promise<Blob> {
  const chart = document.querySelector<HTMLCanvasElement>(".curve canvas");
  if (!chart) throw new Error("the chart is not shown");
  const scale = chart.width / chart.clientWidth;
  const notes = [...legend(), ...sources()];
  const [wide, high] = [
    chart.clientWidth + 2 * PAD,
    chart.clientHeight + 3 * PAD + TITLE + notes.length * LINE,
  ];
  const canvas = document.createElement("canvas");
  canvas.width = wide * scale;
  canvas.height = high * scale;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.scale(scale, scale);
  context.fillStyle = colour("--surface");
  context.fillRect(0, 0, wide, high);
  context.fillStyle = colour("--text");
  context.font = `600 15px ${FONTS}`;
  context.fillText(title(), PAD, PAD + 12, wide - 2 * PAD);
  context.drawImage(chart, PAD, PAD + TITLE, chart.clientWidth, chart.clientHeight);
  context.fillStyle = colour("--muted");
  context.font = `12px ${FONTS}`;
  for (const [at, note] of notes.entries()) {
    context.fillText(note, PAD, PAD * 2 + TITLE + chart.clientHeight + at * LINE, wide - 2 * PAD);
  }
  return await new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("the browser makes no PNG"))),
      "image/png",
    );
  });
}

function title(): string {
  const where = document.querySelector(".place")?.textContent ?? "";
  return `${t.indices[index.value].title} · ${where}`;
}

/** What the further curves are, in words: the picture has no key. */
function legend(): string[] {
  const names = lines.value.map(({ name }) => name);
  return names.length > 0 ? [names.join(" · ")] : [];
}

function sources(): string[] {
  const years = formatYears(samples.value.map(({ time }) => time));
  return [t.attribution.sentinel(years), `${t.name} · ${location.origin}`];
}

/** The page's request as code: each asks for the very same. Pure. */

/** Longer outlines are read from a file, which the page offers beside. */
const SHORT = 1_500;

export interface Snippets {
  readonly curl: string;
  readonly python: string;
  readonly r: string;
}

/** For a CSV at `url`, posted with GeoJSON unless `body` is null; `file` is where a long one is kept. */
export function snippets(url: string, body: string | null, file: string): Snippets {
  if (body === null) return plain(url);
  const inline = body.length <= SHORT;
  const [shell, quoted] = [body.replaceAll("'", String.raw`'\\''`), JSON.stringify(body)];
  // Bytes as they are: read as text, names in Khmer or with accents are lost on Windows.
  const data = inline ? `${quoted}.encode()` : `open("${file}", "rb")`;
  const text = inline ? `r"---(${body})---"` : `readr::read_file("${file}")`;
  return {
    curl: `curl -H 'content-type: application/geo+json' -d ${inline ? `'${shell}'` : `@${file}`} '${url}'`,
    python: [
      "import io, pandas as pd, requests",
      `answer = requests.post("${url}", data=${data}, headers={"content-type": "application/geo+json"})`,
      "answer.raise_for_status()",
      'series = pd.read_csv(io.StringIO(answer.text), parse_dates=["datetime"])',
    ].join("\n"),
    r: [
      "library(httr2)",
      `series <- request("${url}") |>`,
      `  req_body_raw(${text}, type = "application/geo+json") |>`,
      "  req_perform() |> resp_body_string() |> readr::read_csv()",
    ].join("\n"),
  };
}

function plain(url: string): Snippets {
  return {
    curl: `curl '${url}'`,
    python: `import pandas as pd\nseries = pd.read_csv("${url}", parse_dates=["datetime"])`,
    r: `series <- readr::read_csv("${url}")`,
  };
}

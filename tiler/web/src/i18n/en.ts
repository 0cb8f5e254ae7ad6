import type { SampleStatus } from "../series";

/**
 * Every word the page shows, in English. Other languages provide the same keys with the same parameters.
 *
 * Digits are Latin in all of them, and names of columns in files are never translated.
 */
export const en = {
  /** Of the language, for `lang` and for hyphenation. */
  lang: "en",
  /** Whose marks numbers have. */
  numbers: "en-GB",
  months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
  date: (day: number, month: string, year: number) => `${day} ${month} ${year}`,
  compass: { north: "N", south: "S", east: "E", west: "W" },
  language: "Language",

  name: "Sen2Extract",
  tagline: "Vegetation and water through time, from Sentinel‑2",

  search: {
    label: "Coordinates (latitude, longitude) or a town",
    placeholder: "Kratié, or 12.45, 107.19",
    go: "Go",
    invalid:
      "No town of this name is known. Latitude and longitude are written in degrees, such as 12.45, 107.19.",
    towns: "Towns",
  },

  area: {
    click: "Click the map",
    draw: "Draw an area",
    drawing: "Click the corners of your area.",
    keys: "Double-click or press Enter to close it, Esc to cancel. Keyboard: arrows move the map, Space sets a corner.",
    hectares: (hectares: string) => `${hectares} ha`,
    cancel: "Cancel",
    type: "Type or paste an area",
    label: "GeoJSON, WKT, or one corner (latitude, longitude) per line",
    show: "Show this area",
    invalid: "This is no area. Give one polygon as GeoJSON or WKT, or three corners or more, one per line.",
    title: (hectares: string) => `Area of ${hectares} ha`,
    downloading: "Preparing…",
  },
  upload: {
    button: "Upload sites",
    reading: "Reading the file…",
    problem: "This file cannot be used",
    large: "These are too many sites for one request",
    drop: "Drop your file of sites",
    kinds: "Zipped shapefile, GeoPackage, KML, GPX, GeoJSON, or CSV with longitude and latitude",
    crs: "The file does not say its coordinate system. Which is it? EPSG:32648, for one, is UTM zone 48 north.",
    again: "Read it so",
  },
  sites: {
    heading: (count: number) => (count === 1 ? "One site" : `${count} sites`),
    drop: "Remove",
    progress: (done: number, all: number) => `${done} of ${all} sites read`,
    read: (format: string, layer: string, crs: string) => `Read from ${layer} (${format}, ${crs}).`,
    repaired: (count: number) => (count === 1 ? "One outline repaired." : `${count} outlines repaired.`),
    leftOut: (count: number) => (count === 1 ? "One feature left out." : `${count} features left out.`),
    overlay: "Compare",
    lay: (name: string) => `Lay ${name} over the curve`,
    name: "Site",
    last: "Last",
    outside: "no images",
    hint: (most: number) => `Tick up to ${most} sites to lay them over the curve; a name shows its own.`,
  },
  valid: {
    label: "Valid pixels, at least",
    none: (all: number) => `None of ${all} images has so many valid pixels: move the slider to the left.`,
    note: "Images with fewer are left out of the curve; the CSV holds them all.",
    reading: (value: string, share: string) => `${value}, ${share} valid`,
  },

  steps: ["Pick a place", "See the curve", "Download"],
  welcome: {
    lead: "Click the map, draw an area, or drop a file of sites anywhere, to see how a place has changed.",
    example: "Show an example",
    held: (tiles: number, newest: string) =>
      `${tiles === 1 ? "One tile" : `${tiles} tiles`} in view, newest image ${newest}.`,
    looking: "Looking up the images we hold…",
    empty: "No images are stored here yet. They appear as soon as products have been ingested.",
  },

  map: {
    top: "L1C colour",
    clouds: "Mark clouds",
    label: "Map. Arrow keys move it, plus and minus zoom, Enter chooses the place in the middle.",
    layers: "What the map shows",
    colour: "True colour",
    none: "Map only",
    newest: "Newest clear images",
    coverage: "Tiles we hold",
    noColour: "No true colour stored for this image",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
  },

  indexLegend: "Index",
  indices: {
    NDVI: {
      title: "NDVI",
      short: "Green vegetation",
      meaning: "How green and dense the vegetation is.",
      formula: "(NIR − red) / (NIR + red)",
    },
    NDWIGAO: {
      title: "NDWI Gao",
      short: "Water in leaves",
      meaning: "How much water the plants hold; falls in drought.",
      formula: "(NIR − SWIR) / (NIR + SWIR)",
    },
    NDWIMCF: {
      title: "NDWI McFeeters",
      short: "Open water",
      meaning: "Open water such as ponds, rivers and floods is above zero.",
      formula: "(green − NIR) / (green + NIR)",
    },
    MNDWI: {
      title: "MNDWI",
      short: "Water near towns",
      meaning: "Open water, told apart better from buildings and bare soil.",
      formula: "(green − SWIR) / (green + SWIR)",
    },
  },

  series: {
    loading: (index: string) => `Reading ${index} from every image…`,
    summary: (best: string, bestValue: string, low: string, lowValue: string, clear: number, all: number) =>
      `Highest ${best} (${bestValue}), lowest ${low} (${lowValue}); ${clear} clear of ${all} images.`,
    progress: (read: number, all: number) => `${read} of ${all} images`,
    read: (count: number) => `${count} images`,
    reading: "Images read",
    stop: "Stop",
    cut: (read: number, all: number) => `Only ${read} of ${all} images were read.`,
    chart: (index: string) => `${index} curve: choose an image with the arrow keys`,
    keyClear: "clear image",
    keyMean: "mean of a clear image",
    keyBand: "middle half of the pixels",
    keyMasked: "cloud or no data",
    hint: "Click the curve, or use ← →, to see that image on the map.",
    download: "Download CSV",
    copyLink: "Copy link",
    table: "Table",
  },
  step: {
    label: "Values by",
    each: "image",
    names: { isoweek: "week", epiweek: "epi week", dekad: "ten days", P1M: "month", P1Y: "year" },
    period: "Period",
    counted: (clear: number, images: number) => `${clear} clear of ${images}`,
  },
  also: {
    ghost: "Year before",
    usual: "Usual for the season",
    usualKey: "usual: 8 of 10 values of this season",
  },
  period: {
    from: "Start of the period shown",
    to: "End of the period shown",
    label: "Period shown",
    years: (count: number) => (count === 1 ? "1 year" : `${count} years`),
    all: "All",
    drag: "Drag on the curve to zoom.",
    reset: "Show everything",
    empty: "No image in this period.",
  },
  status: {
    ok: "clear",
    masked: "cloud or shadow",
    nodata: "outside the image",
    partial: "partly read",
    unreadable: "could not be read",
    no_mask: "no cloud mask held",
    no_data_asset: "index not held",
    empty: "no image",
    few_valid: "too few valid pixels",
    excluded: "left out by you",
    no_pixel: "no pixel here",
  } satisfies Record<SampleStatus, string>,
  columns: { date: "Date", value: "Value", state: "State", image: "Image" },
  showImage: (date: string) => `Show ${date} on the map`,

  image: {
    heading: "Image on the map",
    previous: "Previous image",
    next: "Next image",
    tile: "Tile",
    satellite: "Satellite",
    cloud: "Cloud cover",
    baseline: "Baseline",
    surface: "L2A · surface",
    top: "L1C · top of atmosphere",
    noTop: "L1C not stored",
    details: "Use this data elsewhere",
    tileUrl: "Map tiles (XYZ: QGIS, Leaflet, …)",
    curl: "This series (curl)",
    exclude: "Leave it out of the curve",
    browser: "STAC Browser",
    copy: "Copy",
    copied: "Copied",
  },

  coverage: {
    newest: "Newest image",
    classes: ["10 days or less", "a month or less", "a year or less", "older"],
    images: (count: number) => (count === 1 ? "1 image" : `${count} images`),
  },
  compare: {
    label: "Compare with",
    none: "no other date",
    swipe: (left: string, right: string) => `Swipe between ${left} (left) and ${right} (right)`,
  },
  masked: { cloud: "cloud", cirrus: "thin cloud", shadow: "cloud shadow", saturated: "saturated" },
  take: {
    more: "Other formats",
    everyIndex: "Every index in the file, not only the one shown",
    formats: {
      wide: "CSV, a column per index",
      excel: "CSV for Excel in French (; and decimal comma)",
      sen2chain: "CSV as Sen2Chain wrote it",
      parquet: "Parquet",
      geojson: "GeoJSON",
      covjson: "CoverageJSON",
    },
    picture: "Picture of the chart (PNG)",
    outlines: "The outlines (GeoJSON)",
    link: "Link to this view",
    python: "This series (Python)",
    r: "This series (R)",
  },

  jobs: {
    heading: "Jobs",
    offer: "Run as a job",
    meaning:
      "The server works it off and keeps the files; this page shows how far it is, also when you come back.",
    states: {
      queued: "Waiting",
      running: "Running",
      succeeded: "Done",
      partial: "Done, in part",
      failed: "Failed",
      cancelled: "Cancelled",
    },
    failed: (failed: number, all: number) => `${failed} of ${all} parts failed.`,
  },

  outside: {
    request: "Request this area",
    requested: "Your request has been noted.",
    title: "No Sentinel-2 image is stored for this place",
    nearest: (tile: string, km: string) => `The nearest tile we hold is ${tile}, ${km} km away.`,
    hint: "The outlined areas on the map are those with images.",
    go: "Go to the nearest tile",
  },
  cloudy: {
    title: "Every image of this place was cloudy",
    detail: (all: number) => `0 of ${all} images are clear here. The grey ticks show when they were taken.`,
  },
  coarse: {
    offer: (metres: number) => `Read it at ${metres} m`,
    done: (metres: number) =>
      `Read at ${metres} m: every pixel is the mean of finer ones, clouds among them.`,
  },
  failure: {
    network: "The server does not answer",
    networkHint: "Check the connection. Nothing is lost: the place stays chosen.",
    http: "The server could not read this series",
    large: "This area is too large for one request",
    largeHint: "Draw a smaller area, or split it.",
    retry: "Try again",
    coverage: "The list of tiles could not be loaded.",
  },

  attribution: {
    sentinel: (years: string) => ["Contains modified Copernicus Sentinel data", years].join(" ").trim(),
    base: "Natural Earth",
    names: "GeoNames (CC BY 4.0)",
  },
  links: { stac: "Catalogue (STAC API)", raster: "Tiles and series API", docs: "API documentation" },
  theme: { label: "Light or dark", auto: "As the system", light: "Light", dark: "Dark" },
};

export type Dictionary = typeof en;

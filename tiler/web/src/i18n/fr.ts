/** French. */
import type { Dictionary } from "./en";

export const fr: Dictionary = {
  lang: "fr",
  numbers: "fr-FR",
  months: [
    ...["janv.", "févr.", "mars", "avr.", "mai", "juin"],
    ...["juil.", "août", "sept.", "oct.", "nov.", "déc."],
  ],
  date: (day, month, year) => `${day === 1 ? "1er" : day} ${month} ${year}`,
  compass: { north: "N", south: "S", east: "E", west: "O" },
  language: "Langue",

  name: "Sen2Extract",
  tagline: "La végétation et l’eau au fil du temps, vues par Sentinel‑2",

  search: {
    label: "Coordonnées (latitude, longitude) ou ville",
    placeholder: "Kratié, ou 12.45, 107.19",
    go: "Aller",
    invalid:
      "Aucune ville connue de ce nom. La latitude et la longitude s’écrivent en degrés, par exemple 12.45, 107.19.",
    towns: "Villes",
  },

  area: {
    click: "Cliquer la carte",
    draw: "Dessiner une zone",
    drawing: "Cliquez les sommets de votre zone.",
    keys: "Double-cliquez ou appuyez sur Entrée pour la fermer, Échap pour annuler. Au clavier : les flèches déplacent la carte, Espace pose un sommet.",
    hectares: (hectares) => `${hectares} ha`,
    cancel: "Annuler",
    type: "Saisir ou coller une zone",
    label: "GeoJSON, WKT, ou un sommet (latitude, longitude) par ligne",
    show: "Afficher cette zone",
    invalid:
      "Ce n’est pas une zone. Donnez un polygone en GeoJSON ou en WKT, ou au moins trois sommets, un par ligne.",
    title: (hectares) => `Zone de ${hectares} ha`,
    downloading: "Préparation…",
  },
  upload: {
    button: "Importer des sites",
    reading: "Lecture du fichier…",
    problem: "Ce fichier ne peut pas être utilisé",
    drop: "Déposez votre fichier de sites",
    kinds: "Shapefile compressé (zip), GeoPackage, KML, GPX, GeoJSON, ou CSV avec longitude et latitude",
  },
  sites: {
    heading: (count) => (count === 1 ? "Un site" : `${count} sites`),
    drop: "Retirer",
    progress: (done, all) => `${done} sites lus sur ${all}`,
    read: (format, layer, crs) => `Lu dans ${layer} (${format}, ${crs}).`,
    repaired: (count) => (count === 1 ? "Un contour réparé." : `${count} contours réparés.`),
    leftOut: (count) => (count === 1 ? "Une entité écartée." : `${count} entités écartées.`),
    overlay: "Comparer",
    lay: (name) => `Superposer ${name} à la courbe`,
    name: "Site",
    last: "Dernière",
    outside: "aucune image",
    hint: (most) => `Cochez jusqu’à ${most} sites pour les superposer ; un nom affiche sa propre courbe.`,
  },
  valid: {
    label: "Pixels valides, au moins",
    none: (all) =>
      `Aucune des ${all} images n’a autant de pixels valides : déplacez le curseur vers la gauche.`,
    note: "Les images qui en ont moins ne sont pas dans la courbe ; le CSV les contient toutes.",
    reading: (value, share) => `${value}, ${share} valides`,
  },

  steps: ["Choisissez un lieu", "Voyez la courbe", "Téléchargez"],
  welcome: {
    lead: "Cliquez sur la carte, dessinez une zone ou déposez un fichier de sites n’importe où, pour voir comment un lieu a changé.",
    example: "Voir un exemple",
    held: (tiles, newest) =>
      `${tiles === 1 ? "Une tuile visible" : `${tiles} tuiles visibles`}, image la plus récente : ${newest}.`,
    looking: "Recherche des images disponibles…",
    empty:
      "Aucune image n’est encore stockée ici. Elles apparaîtront dès que des produits auront été ingérés.",
  },

  map: {
    top: "Couleurs L1C",
    clouds: "Marquer les nuages",
    label: "Carte. Les flèches la déplacent, plus et moins zooment, Entrée choisit le lieu au centre.",
    layers: "Ce que montre la carte",
    colour: "Couleurs naturelles",
    none: "Carte seule",
    newest: "Images claires les plus récentes",
    coverage: "Tuiles disponibles",
    noColour: "Pas de couleurs naturelles pour cette image",
    zoomIn: "Zoom avant",
    zoomOut: "Zoom arrière",
  },

  indexLegend: "Indice",
  indices: {
    NDVI: {
      title: "NDVI",
      short: "Végétation verte",
      meaning: "À quel point la végétation est verte et dense.",
      formula: "(PIR − rouge) / (PIR + rouge)",
    },
    NDWIGAO: {
      title: "NDWI Gao",
      short: "Eau des feuilles",
      meaning: "L’eau contenue dans les plantes ; baisse lors d’une sécheresse.",
      formula: "(PIR − SWIR) / (PIR + SWIR)",
    },
    NDWIMCF: {
      title: "NDWI McFeeters",
      short: "Eau libre",
      meaning: "L’eau libre (mares, rivières, inondations) est au-dessus de zéro.",
      formula: "(vert − PIR) / (vert + PIR)",
    },
    MNDWI: {
      title: "MNDWI",
      short: "Eau près des villes",
      meaning: "L’eau libre, mieux distinguée du bâti et des sols nus.",
      formula: "(vert − SWIR) / (vert + SWIR)",
    },
  },

  series: {
    loading: (index) => `Lecture du ${index} dans chaque image…`,
    summary: (best, bestValue, low, lowValue, clear, all) =>
      `Maximum le ${best} (${bestValue}), minimum le ${low} (${lowValue}) ; ${clear} images claires sur ${all}.`,
    chart: (index) => `Courbe du ${index} : choisissez une image avec les flèches`,
    keyClear: "image claire",
    keyMean: "moyenne d’une image claire",
    keyBand: "moitié centrale des pixels",
    keyMasked: "nuage ou pas de donnée",
    hint: "Cliquez sur la courbe, ou utilisez ← →, pour voir cette image sur la carte.",
    download: "Télécharger le CSV",
    copyLink: "Copier le lien",
    table: "Tableau",
  },
  step: {
    label: "Valeurs par",
    each: "image",
    names: {
      isoweek: "semaine",
      epiweek: "semaine épidémiologique",
      dekad: "décade",
      P1M: "mois",
      P1Y: "année",
    },
    period: "Période",
    counted: (clear, images) => `${clear} claires sur ${images}`,
  },
  also: {
    ghost: "Année précédente",
    usual: "Normale de saison",
    usualKey: "normale : 8 valeurs sur 10 de la saison",
  },
  period: {
    from: "Début de la période affichée",
    to: "Fin de la période affichée",
    label: "Période affichée",
    years: (count) => (count === 1 ? "1 an" : `${count} ans`),
    all: "Tout",
    drag: "Glissez sur la courbe pour zoomer.",
    reset: "Tout afficher",
    empty: "Aucune image dans cette période.",
  },
  status: {
    ok: "clair",
    masked: "nuage ou ombre",
    nodata: "hors de l’image",
    partial: "lu en partie",
    unreadable: "n’a pas pu être lu",
    no_mask: "pas de masque de nuages",
    no_data_asset: "indice non disponible",
    few_valid: "trop peu de pixels valides",
    excluded: "écarté par vous",
    no_pixel: "aucun pixel ici",
  },
  columns: { date: "Date", value: "Valeur", state: "État", image: "Image" },
  showImage: (date) => `Afficher l’image du ${date} sur la carte`,

  image: {
    heading: "Image sur la carte",
    previous: "Image précédente",
    next: "Image suivante",
    tile: "Tuile",
    satellite: "Satellite",
    cloud: "Nuages (scène)",
    baseline: "Version (baseline)",
    surface: "L2A · surface",
    top: "L1C · sommet de l’atmosphère",
    noTop: "L1C non stocké",
    details: "Utiliser ces données ailleurs",
    tileUrl: "Tuiles de carte (XYZ : QGIS, Leaflet, …)",
    curl: "Cette série (curl)",
    exclude: "L’écarter de la courbe",
    browser: "STAC Browser",
    copy: "Copier",
    copied: "Copié",
  },

  coverage: {
    newest: "Image la plus récente",
    classes: ["10 jours ou moins", "un mois ou moins", "un an ou moins", "plus ancienne"],
    images: (count) => (count === 1 ? "1 image" : `${count} images`),
  },
  compare: {
    label: "Comparer avec",
    none: "aucune autre date",
    swipe: (left, right) => `Glisser entre le ${left} (à gauche) et le ${right} (à droite)`,
  },
  masked: { cloud: "nuage", cirrus: "nuage fin", shadow: "ombre de nuage", saturated: "saturé" },
  take: {
    more: "Autres formats",
    formats: {
      wide: "CSV, une colonne par indice",
      excel: "CSV pour Excel (; et virgule décimale)",
      sen2chain: "CSV comme l’écrivait Sen2Chain",
      parquet: "Parquet",
      geojson: "GeoJSON",
      covjson: "CoverageJSON",
    },
    picture: "Image du graphique (PNG)",
    outlines: "Les contours (GeoJSON)",
    link: "Lien vers cette vue",
    python: "Cette série (Python)",
    r: "Cette série (R)",
  },

  jobs: {
    heading: "Tâches",
    offer: "Lancer comme tâche",
    meaning:
      "Le serveur s’en charge et garde les fichiers ; cette page montre l’avancement, même à votre retour.",
    states: {
      queued: "En attente",
      running: "En cours",
      succeeded: "Terminée",
      partial: "Terminée en partie",
      failed: "Échouée",
      cancelled: "Annulée",
    },
    failed: (failed, all) => `${failed} parties sur ${all} ont échoué.`,
  },

  outside: {
    request: "Demander cette zone",
    requested: "Votre demande a été enregistrée.",
    title: "Aucune image Sentinel-2 n’est stockée pour ce lieu",
    nearest: (tile, km) => `La tuile disponible la plus proche est ${tile}, à ${km} km.`,
    hint: "Les zones encadrées sur la carte sont celles qui ont des images.",
    go: "Aller à la tuile la plus proche",
  },
  cloudy: {
    title: "Toutes les images de ce lieu sont nuageuses",
    detail: (all) => `0 image claire sur ${all} ici. Les traits gris indiquent leurs dates.`,
  },
  failure: {
    network: "Le serveur ne répond pas",
    networkHint: "Vérifiez la connexion. Rien n’est perdu : le lieu reste choisi.",
    http: "Le serveur n’a pas pu lire cette série",
    large: "Cette zone est trop grande pour une seule requête",
    largeHint: "Dessinez une zone plus petite, ou divisez-la.",
    retry: "Réessayer",
    coverage: "La liste des tuiles n’a pas pu être chargée.",
  },

  attribution: {
    sentinel: (years) => ["Contient des données Copernicus Sentinel modifiées", years].join(" ").trim(),
    base: "Natural Earth",
    names: "GeoNames (CC BY 4.0)",
  },
  links: {
    stac: "Catalogue (API STAC)",
    raster: "API des tuiles et des séries",
    docs: "Documentation des API",
  },
  theme: { label: "Clair ou sombre", auto: "Comme le système", light: "Clair", dark: "Sombre" },
};

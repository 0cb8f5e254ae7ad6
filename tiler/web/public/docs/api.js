// Shows an OpenAPI document with Swagger UI, to try, or with Redoc, to read. Copied as it is beside the two.
const { openapi, assets } = document.body.dataset;
const reading = new URLSearchParams(location.search).get("view") === "read";
const script = document.createElement("script");
script.src = `${assets}/${reading ? "redoc.standalone.js" : "swagger-ui-bundle.js"}`;
script.addEventListener("load", () => {
  const place = document.getElementById("docs");
  place.replaceChildren();
  if (reading) window.Redoc.init(openapi, { hideDownloadButtons: true, nativeScrollbars: true }, place);
  else {
    window.SwaggerUIBundle({
      url: openapi,
      domNode: place,
      validatorUrl: "none",
      deepLinking: true,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
    });
  }
});
document.body.append(script);

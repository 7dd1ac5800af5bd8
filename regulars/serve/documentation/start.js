// Nothing is asked of others: no validator, no fonts.
SwaggerUIBundle({ url: "/v1/openapi.json", dom_id: "#document", deepLinking: true, docExpansion: "list", validatorUrl: null });

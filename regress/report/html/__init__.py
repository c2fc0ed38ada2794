"""report.html: one file that needs no network, no server and, but for its item explorer, no script.

`page` puts it together from `templates/`; `story`, `forest`, `breakage` and `charts` say what is told and drawn,
`island` packs the items that the explorer (`static/explorer.js`) shows. Everything that a model, a suite or an adapter
wrote passes through `texts` and the templates' autoescape, or reaches the document as a text node.
"""

PAGE = "report.html"

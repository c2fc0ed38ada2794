"""report.html: one file that needs no network, no server and, but for its item explorer, no script.

`page` puts it together from `templates/`; `story`, `forest`, `breakage` and `charts` say what is told and drawn,
`island` packs the items that the explorer (`static/explorer.js`) shows. `audit_page` makes audit.html, which says of
training data what report.html says of a candidate, from the same parts (`document`, `findings`). Everything that a
model, a suite, an adapter or training data says passes through `texts` and the templates' autoescape, or reaches the
document as a text node.
"""

PAGE = "report.html"
AUDIT_PAGE = "audit.html"

